//! Manifests written, read back, and damaged.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::{any, prop};
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use fruitnode_coordinator::ids::Digest;

use crate::manifest::reader::entries;
use crate::manifest::{
    Damage, FOOTER_BYTES, HEADER_BYTES, INDEX_RECORD_BYTES, ManifestError, ManifestReader,
    ManifestSummary, ManifestWriter, ROWS_PER_PART_MAX, read_chunks, write_chunks, write_manifest,
};
use crate::{
    Entry, FolderSink, FolderSource, FolderTarget, ListError, Mode, Pattern, Problem, Selection,
    Sink, list_whole,
};

fn listing(keys: u32) -> Vec<Entry> {
    let entry = |i: u32| Entry {
        key: format!("Apple \"Braeburn\"\n,é/{i:08}.jpg"),
        size: u64::from(i) * 1_000,
        validator: format!("v{i}"),
        modified_us: -i64::from(i),
        problem: Problem::ALL.get(i as usize % 7).copied(),
    };
    (0..keys).map(entry).collect()
}

fn encode(listing: &[Entry], rows_per_part: u32) -> (Vec<u8>, ManifestSummary) {
    let (mut writer, mut bytes) = ManifestWriter::new(rows_per_part).unwrap();
    for entry in listing {
        bytes.extend(writer.push(entry).unwrap().unwrap_or_default());
    }
    let (tail, summary) = writer.finish();
    bytes.extend(tail);
    (bytes, summary)
}

fn refusal(entries: &[Entry]) -> ManifestError {
    let (mut writer, _) = ManifestWriter::new(2).unwrap();
    entries.iter().find_map(|entry| writer.push(entry).err()).unwrap()
}

struct Room {
    runtime: Runtime,
    folder: tempfile::TempDir,
    sink: Arc<dyn Sink>,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let (mode, is_ours) = (Mode::Error, |_: &str| true);
        let target = FolderTarget { out: &out, from: None, job: "j", mode, is_ours, resume: None };
        let sink = Arc::new(FolderSink::open(&target).unwrap());
        Self { runtime: Runtime::new().unwrap(), folder, sink }
    }

    fn read(&self, bytes: &[u8], digest: Option<Digest>) -> Result<Vec<Vec<Entry>>, ManifestError> {
        self.runtime.block_on(async {
            self.sink.put("_run/manifest", Bytes::copy_from_slice(bytes)).await?;
            let sink = Arc::clone(&self.sink);
            let reader = ManifestReader::open(sink, "_run/manifest", digest).await?;
            let mut blocks = Vec::new();
            for partition in 0..reader.summary().partitions {
                blocks.push(reader.block(partition).await?);
            }
            let beyond = reader.block(reader.summary().partitions).await;
            assert!(matches!(beyond, Err(ManifestError::NoSuchPartition { .. })));
            Ok(blocks)
        })
    }
}

#[test]
fn every_entry_comes_back_in_its_block() {
    let room = Room::new();
    for keys in [0, 1, 3, 4, 5, 23] {
        let listing = listing(keys);
        let (bytes, summary) = encode(&listing, 4);
        let blocks = room.read(&bytes, Some(summary.digest)).unwrap();
        let wanted: Vec<Vec<Entry>> = listing.chunks(4).map(<[Entry]>::to_vec).collect();
        assert_eq!(blocks, wanted, "{keys} keys");
        assert_eq!(summary.partitions as usize, wanted.len());
        assert_eq!(summary.keys, u64::from(keys));
        assert_eq!(summary.bytes, listing.iter().map(|entry| entry.size).sum::<u64>());
    }
}

#[test]
fn the_digests_say_what_changed() {
    let listing = listing(9);
    let (_, first) = encode(&listing, 4);
    assert_eq!(encode(&listing, 4).1, first);
    let mut copied = listing.clone();
    copied[3].validator = "another inode".to_owned();
    let (_, copy) = encode(&copied, 4);
    assert_eq!(copy.listing, first.listing);
    assert_ne!(copy.digest, first.digest);
    let (_, cut_otherwise) = encode(&listing, 5);
    assert_eq!(cut_otherwise.listing, first.listing);
    assert_ne!(cut_otherwise.digest, first.digest);
    for change in 0..4 {
        let mut changed = listing.clone();
        match change {
            0 => changed[8].key.push('x'),
            1 => changed[8].size += 1,
            2 => changed[8].modified_us += 1,
            _ => changed[8].problem = Some(Problem::NameNotUtf8),
        }
        assert_ne!(encode(&changed, 4).1.listing, first.listing, "change {change}");
    }
}

#[test]
fn no_changed_or_missing_byte_goes_unnoticed() {
    let room = Room::new();
    let (bytes, summary) = encode(&listing(5), 2);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        assert!(room.read(&damaged, Some(summary.digest)).is_err(), "byte {at}");
        assert!(room.read(&bytes[..at], Some(summary.digest)).is_err(), "cut at {at}");
    }
    assert!(room.read(&[&bytes[..], b"x"].concat(), None).is_err());
}

#[test]
fn hostile_numbers_are_refused_before_anything_is_allocated() {
    let room = Room::new();
    let (bytes, _) = encode(&listing(5), 2);
    let footer = bytes.len() - FOOTER_BYTES;
    let index = footer - 3 * INDEX_RECORD_BYTES;
    let hostile = [
        ("partitions", footer + 16, u32::MAX),
        ("keys", footer, u32::MAX),
        ("length of a block", index, u32::MAX),
        ("rows per part", HEADER_BYTES - 4, 0),
        ("rows per part", HEADER_BYTES - 4, ROWS_PER_PART_MAX + 1),
    ];
    for (what, at, value) in hostile {
        let mut damaged = bytes.clone();
        damaged[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let error = room.read(&damaged, None).unwrap_err();
        assert!(matches!(error, ManifestError::Damaged(_)), "{what}: {error}");
    }
    let mut later = bytes;
    later[10] = 2;
    let error = room.read(&later, None).unwrap_err();
    assert!(matches!(error, ManifestError::Version { version: 2 }), "{error}");
}

#[test]
fn hostile_blocks_are_refused() {
    assert_eq!(entries(&[0xFF; 64], 1), Err(Damage::Range));
    assert_eq!(entries(b"\x09abc", 1), Err(Damage::Short));
    assert_eq!(entries(b"\x01\xFF\0\0\0\0", 1), Err(Damage::Text));
    assert_eq!(entries(b"\x01a\0\0\0\x09", 1), Err(Damage::Range));
    assert_eq!(entries(b"\x01b\0\0\0\0\x01a\0\0\0\0", 2), Err(Damage::Order));
    assert_eq!(entries(b"\x01a\0\0\0\0\0", 1), Err(Damage::Long));
    assert_eq!(entries(b"\x01a\0\0\0\0", u32::MAX), Err(Damage::Short));
}

#[test]
fn a_listing_out_of_order_or_over_a_limit_is_refused() {
    let [first, second] = <[Entry; 2]>::try_from(listing(2)).unwrap();
    let twice = refusal(&[first.clone(), first.clone()]);
    assert!(matches!(twice, ManifestError::OutOfOrder { .. }), "{twice}");
    let back = refusal(&[second, first.clone()]);
    assert!(matches!(back, ManifestError::OutOfOrder { .. }), "{back}");
    let long = refusal(&[Entry { key: "k".repeat(20_000), ..first }]);
    assert!(matches!(long, ManifestError::TooLarge { .. }), "{long}");
    assert!(ManifestWriter::new(0).is_err());
    assert!(ManifestWriter::new(ROWS_PER_PART_MAX + 1).is_err());
}

#[test]
fn a_folder_becomes_a_manifest_and_a_failed_listing_leaves_none() {
    let room = Room::new();
    let from = room.folder.path().join("from");
    fs::create_dir_all(from.join("Apple")).unwrap();
    let source = FolderSource::open(&from, &[]).unwrap();
    let selection = Selection::recursive(Pattern::parse("*.jpg").unwrap());
    let mut told = Vec::new();
    let (failed, written) = room.runtime.block_on(async {
        let mut progress = |keys| told.push(keys);
        let sink = room.sink.as_ref();
        let name = "_run/manifest";
        let list = |blocks| list_whole(&source, &selection, blocks);
        let failed = write_manifest(list, 2, sink, name, &mut progress).await;
        assert!(sink.size(name).await.is_err());
        for i in 0..3_000 {
            fs::write(from.join(format!("Apple/{i:04}.jpg")), "x").unwrap();
        }
        (failed, write_manifest(list, 1_000, sink, name, &mut progress).await)
    });
    assert!(matches!(failed, Err(ManifestError::List(_))), "{failed:?}");
    let (manifest, summary) = written.unwrap();
    assert_eq!((manifest.keys, manifest.partitions, summary.keys), (3_000, 3, 3_000));
    assert_eq!(told.iter().sum::<u64>(), 3_000);
    assert!(told.len() > 1, "a long listing speaks before its end");
    let block = room.runtime.block_on(async {
        let sink = Arc::clone(&room.sink);
        let reader = ManifestReader::open(sink, "_run/manifest", Some(manifest.digest)).await?;
        reader.block(2).await
    });
    let block = block.unwrap();
    assert_eq!((block.len(), block[0].key.as_str()), (1_000, "Apple/2000.jpg"));
}

/// Sends entries as a listing does, in blocks of so many.
async fn send(
    entries: &[Entry],
    rows: usize,
    blocks: mpsc::Sender<Vec<Entry>>,
) -> Result<u64, ListError> {
    for block in entries.chunks(rows) {
        blocks.send(block.to_vec()).await.expect("somebody listens");
    }
    Ok(entries.len() as u64)
}

/// The manifest of entries that several leases listed, cut where `cuts` say.
async fn gathered(
    room: &Room,
    listing: &[Entry],
    (cuts, rows): (&[usize], usize),
) -> Result<(Bytes, ManifestSummary), ManifestError> {
    let sink = room.sink.as_ref();
    let mut chunks = Vec::new();
    let ends = cuts.iter().skip(1).copied().chain([listing.len()]);
    for (at, (from, to)) in cuts.iter().copied().zip(ends).enumerate() {
        let name = |chunk| format!("_run/entries-{at}-{chunk}");
        let list = |blocks| send(&listing[from..to], rows, blocks);
        let (written, keys) = write_chunks(list, sink, name, &mut |_| {}).await?;
        assert_eq!(keys as usize, to - from);
        chunks.extend(written.into_iter().enumerate().map(|(chunk, it)| (name(chunk), it)));
    }
    let gather = |blocks| read_chunks(sink, chunks, blocks);
    let (summary, ()) = write_manifest(gather, 7, sink, "_run/manifest", &mut |_| {}).await?;
    Ok((sink.get("_run/manifest").await?, summary))
}

#[test]
fn what_is_gathered_of_any_cut_is_the_manifest_of_one_listing() {
    let room = Room::new();
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..9);
    let cases = (0..120_u32, cuts, 1..40_usize);
    let runner =
        &mut TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    runner
        .run(&cases, |(keys, cuts, rows)| {
            let listing = listing(keys);
            let mut cuts: Vec<usize> =
                cuts.iter().map(|cut| cut.index(listing.len() + 1)).chain([0]).collect();
            cuts.sort_unstable();
            let gathered = gathered(&room, &listing, (&cuts, rows));
            let (bytes, summary) = room.runtime.block_on(gathered).unwrap();
            let (whole, expected) = encode(&listing, 7);
            assert_eq!((bytes, summary), (Bytes::from(whole), expected));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_long_range_is_left_in_objects_of_a_limited_size_and_a_changed_one_is_noticed() {
    let room = Room::new();
    let listing = listing(30_000);
    let (bytes, summary) = room.runtime.block_on(gathered(&room, &listing, (&[0], 1_000))).unwrap();
    assert_eq!((bytes, summary), (Bytes::from(encode(&listing, 7).0), encode(&listing, 7).1));
    let damaged = room.runtime.block_on(async {
        let (sink, name) = (room.sink.as_ref(), |chunk| format!("_run/entries-9-{chunk}"));
        let list = |blocks| send(&listing, 1_000, blocks);
        let (chunks, _) = write_chunks(list, sink, name, &mut |_| {}).await.unwrap();
        assert!(chunks.len() > 2, "{} objects", chunks.len());
        for at in 0..chunks.len() {
            assert!(sink.size(&name(at)).await.unwrap() < 600 << 10);
        }
        let mut bytes = sink.get(&name(1)).await.unwrap().to_vec();
        bytes[77] ^= 1;
        sink.put(&name(1), bytes.into()).await.unwrap();
        let chunks = chunks.into_iter().enumerate().map(|(at, it)| (name(at), it)).collect();
        let (blocks, mut received) = mpsc::channel(1);
        let count = async { while received.recv().await.is_some() {} };
        tokio::join!(read_chunks(sink, chunks, blocks), count).0
    });
    assert!(matches!(damaged, Err(ManifestError::Damaged(Damage::Digest))), "{damaged:?}");
}

#[test]
fn ranges_are_gathered_in_their_order_or_not_at_all() {
    let room = Room::new();
    let mut listing = listing(20);
    listing.swap(9, 10);
    let wrong = room.runtime.block_on(gathered(&room, &listing, (&[0, 10], 3)));
    assert!(matches!(wrong, Err(ManifestError::OutOfOrder { .. })), "{wrong:?}");
}
