//! The file stays small, however long the history.

use fruitnode_replica::LogStore;

use super::{NEVER, Net, ONE, Wire, founded, nothing};
use crate::store::RedbLog;
use crate::{ConsensusOptions, start};

/// Bytes that the log's file may have: 48 MiB. The entries of this test have 22 MB.
const FILE_BYTES_MAX: u64 = 48 << 20;

#[tokio::test]
async fn twenty_thousand_commands_leave_a_small_file_that_opens_again() {
    let (folder, net) = (tempfile::tempdir().unwrap(), Net::default());
    let path = folder.path().join("log.redb");
    let log = founded(RedbLog::create(&path, "s").unwrap(), ONE);
    let mut options = ConsensusOptions::new(ONE, log);
    options.tick = NEVER;
    let (consensus, _events) = start(options, Box::new(Wire { from: ONE, net })).unwrap();
    let mut largest = 0;
    for _ in 0..100 {
        consensus.propose_all(vec![nothing(1_100); 200]).await.unwrap();
        largest = largest.max(std::fs::metadata(&path).unwrap().len());
    }
    assert!(largest <= FILE_BYTES_MAX, "{largest}");
    let committed = consensus.status().borrow().committed;
    consensus.stop().await;
    let log = RedbLog::open(&path, "s").unwrap();
    assert!(log.file_bytes() <= largest);
    let last = log.last().unwrap();
    assert_eq!(last, committed);
}
