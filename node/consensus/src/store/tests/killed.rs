//! A process that writes for ever is killed: what it acknowledged is there.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use fruitnode_replica::MemoryLog;

use super::super::RedbLog;
use super::{Draws, STORAGE, content, is_same, place, write};

const PATH: &str = "FRUITNODE_TEST_LOG_TO_WRITE";

/// Runs in the child alone: writes until it is killed, and says each write that is done.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = env::var_os(PATH) else { return };
    let mut log = RedbLog::open(Path::new(&path), STORAGE).unwrap();
    for step in 0.. {
        write(&mut log, &mut Draws(step)).unwrap();
        println!("acknowledged {step}");
    }
}

#[test]
fn everything_acknowledged_before_a_kill_is_there_after_it() {
    for round in 0..6 {
        let (_folder, path) = place();
        drop(RedbLog::create(&path, STORAGE).unwrap());
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("store::tests::killed::child_that_writes_until_it_is_killed")
            .env(PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut acknowledged =
            lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok());
        let enough = 20 + round * 13;
        let mut last = acknowledged.find(|step| *step >= enough).expect("a child that writes");
        child.kill().unwrap();
        child.wait().unwrap();
        last = acknowledged.last().unwrap_or(last);
        let mut model = MemoryLog::new();
        (0..=last).for_each(|step| write(&mut model, &mut Draws(step)).unwrap());
        let log = RedbLog::open(&path, STORAGE).unwrap();
        let found = content(&log);
        if !is_same(&found, &content(&model)) {
            // The write that was under way may be there, whole.
            write(&mut model, &mut Draws(last + 1)).unwrap();
            assert!(is_same(&found, &content(&model)), "after {last} writes: {found:?}");
        }
    }
}
