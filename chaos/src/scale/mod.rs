//! What a large cluster costs its coordinator: time for each event, and memory for each partition.
//!
//! One leader's machine and one state, the same as in production, and as many workers' machines as
//! are asked for; raft, disks and the network are left out, since they cost the same for any entry.

mod book;
mod rig;
mod toil;

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;

use book::{Book, KINDS, Kind};
use rig::{Memory, Rig};

/// Bytes of memory that may be kept of a partition: its record, its scores, what is ready of it
/// and what is held. The story of its attempts is none of that, and has a bound of its own.
const PARTITION_BYTES_MAX: f64 = 128.0;

/// Bytes of memory that may be told of one attempt.
const ATTEMPT_BYTES_MAX: f64 = 32.0;

/// Memory is judged of jobs of so many partitions at least: in smaller ones what is there once for
/// every job, every node and every lease is most of it.
const JUDGED_PARTITIONS_MIN: u32 = 100_000;

/// How much faster than the logarithm of its size a cluster's cost may grow from the smallest size
/// to the largest: what is looked at in a large one lies in no cache. Whatever grows with the size
/// itself grows a hundred-fold meanwhile.
const LENIENCE: f64 = 4.0;

/// Drives the coordinator's machines with many workers, and says what an event and a partition cost
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Sizes, each as WORKERS,PARTITIONS
    #[arg(long = "size", default_values = ["50,1000", "500,10000", "5000,100000"])]
    sizes: Vec<Size>,
    /// Fail if the cost of an event grows faster than the logarithm, or a partition takes too much
    #[arg(long)]
    check: bool,
}

/// How large a cluster and its job are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    workers: u32,
    partitions: u32,
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(words: &str) -> Result<Self, String> {
        let parsed = words.split_once(',').and_then(|(workers, partitions)| {
            Some(Self { workers: workers.parse().ok()?, partitions: partitions.parse().ok()? })
        });
        let able = parsed.filter(|size| size.workers > 0 && size.partitions > 0);
        able.ok_or_else(|| format!("`{words}` is no size: say WORKERS,PARTITIONS, as in 50,1000"))
    }
}

/// Prints the tables. `heap` says how many bytes the process has allocated.
pub fn command(arguments: &ScaleArgs, heap: fn() -> usize) -> ExitCode {
    if cfg!(debug_assertions) {
        say(format_args!(
            "a debug build looks at the whole state after every entry: times are those of that"
        ));
    }
    let mut runs = Vec::new();
    say(format_args!("workers  partitions  what          events       ns  median"));
    for size in &arguments.sizes {
        let run = Rig::new(size.workers, size.partitions, heap).run();
        for kind in KINDS {
            say(format_args!(
                "{:>7}  {:>10}  {:<9} {:>10}  {:>7.0} {:>7.0}",
                size.workers,
                size.partitions,
                kind.name(),
                run.book.events(kind),
                run.book.mean(kind),
                run.book.median(kind)
            ));
        }
        runs.push((*size, run));
    }
    say(format_args!(""));
    say(format_args!(
        "                                bytes kept of  story of attempts, bytes  in a snapshot"
    ));
    say(format_args!(
        "workers  partitions  stage        a partition    a partition  an attempt  record   story"
    ));
    for (size, run) in &runs {
        for Memory { stage, partition, story, attempt, snapshot, snapshot_story } in &run.memory {
            say(format_args!(
                "{:>7}  {:>10}  {stage:<9} {partition:>14.1} {story:>14.1} {attempt:>11.1} \
                 {snapshot:>7.1} {snapshot_story:>7.1}",
                size.workers, size.partitions
            ));
        }
    }
    let broken: Vec<String> = runs
        .first()
        .zip(runs.last())
        .into_iter()
        .flat_map(|(small, large)| grown((small.0, &small.1.book), (large.0, &large.1.book)))
        .chain(runs.iter().flat_map(|(size, run)| {
            let judged = size.partitions >= JUDGED_PARTITIONS_MIN;
            run.memory.iter().filter(move |_| judged).flat_map(too_large)
        }))
        .collect();
    broken.iter().for_each(|words| say(format_args!("{words}")));
    match arguments.check && !broken.is_empty() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// Whether the cost of what happens again and again has grown faster than it may from one size to
/// another one, on the mean: half of all ticks find nothing to do, and take as long as a few looks
/// into memory. A greeting names every member: whoever is many is greeted at greater length.
fn grown(small: (Size, &Book), large: (Size, &Book)) -> Vec<String> {
    let logarithm = |size: Size| f64::from(size.partitions.max(2)).log2();
    let allowed = LENIENCE * (logarithm(large.0) / logarithm(small.0)).max(1.0);
    let again = KINDS.into_iter().filter(|kind| *kind != Kind::Greeting);
    let costs = again.map(|kind| (kind.name(), small.1.mean(kind), large.1.mean(kind)));
    let faster = costs.filter(|(_, before, after)| *after > before * allowed);
    let words = faster.map(|(what, before, after)| {
        format!(
            "TIME: a {what} takes {after:.0} ns an event of {} partitions, and {before:.0} ns of \
             {}: that is more than {allowed:.1} times as long",
            large.0.partitions, small.0.partitions
        )
    });
    words.collect()
}

/// What takes more memory than it may.
fn too_large(memory: &Memory) -> Vec<String> {
    let Memory { stage, partition, attempt, snapshot, .. } = memory;
    let sizes = [
        ("what is kept of a partition", *partition, PARTITION_BYTES_MAX),
        ("what a snapshot has of it", *snapshot, PARTITION_BYTES_MAX),
        ("what is told of an attempt", *attempt, ATTEMPT_BYTES_MAX),
    ];
    let larger = sizes.into_iter().filter(|(_, bytes, most)| bytes > most);
    let words = larger
        .map(|(what, bytes, most)| format!("MEMORY: {what}, {stage}: {bytes:.1} of {most} bytes"));
    words.collect()
}

/// Whoever reads may have read enough.
fn say(line: fmt::Arguments<'_>) {
    drop(writeln!(io::stdout(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(event_ns: u64) -> Book {
        let mut book = Book::default();
        (0..100).for_each(|_| book.note(Kind::Report, 7, 7 * event_ns));
        book
    }

    #[test]
    fn what_grows_faster_than_the_logarithm_is_told_of() {
        let (small, large): (Size, Size) =
            ("50,1000".parse().unwrap(), "5000,100000".parse().unwrap());
        assert_eq!(grown((small, &book(1_000)), (large, &book(6_000))), Vec::<String>::new());
        assert_eq!(grown((small, &book(1_000)), (large, &book(7_000))).len(), 1);
        assert!("5000".parse::<Size>().is_err() && "0,5".parse::<Size>().is_err());
    }

    #[test]
    fn a_small_cluster_does_its_job_and_every_stage_is_measured() {
        let run = Rig::new(7, 40, || 0).run();
        let stages: Vec<_> = run.memory.iter().map(|memory| memory.stage).collect();
        assert_eq!(stages, ["listed", "extracted", "projected"]);
        assert!(KINDS.iter().all(|kind| run.book.events(*kind) > 0));
        let projected = &run.memory[2];
        assert!(projected.snapshot > 96.0 && projected.story > 30.0, "{projected:?}");
    }

    #[test]
    fn a_partition_that_takes_too_much_is_told_of() {
        let memory = Memory { stage: "listed", partition: 129.0, ..Memory::default() };
        assert_eq!(too_large(&memory).len(), 1);
        assert_eq!(too_large(&Memory { partition: 128.0, ..memory }).len(), 0);
    }
}
