//! Log entries: what comes back, and what is refused.

use fruitnode_proto::v1;
use prost::Message;

use crate::codec::wire::{inputs_from_proto, inputs_to_proto, reason_from_proto, reason_to_proto};
use crate::codec::{FORMAT_VERSION, decode, encode};
use crate::command::Command;
use crate::ids::{Attempt, Digest, JobId, NodeId, PartitionId, RangeId};
use crate::inputs::Inputs;
use crate::max_bad::MaxBad;
use crate::retry::FailureReason;
use crate::spec::JobSpec;
use crate::story::AttemptFacts;
use crate::task::{Cut, RangePart, Task, TaskResult, Winner};
use crate::tree::TreeNode;

const KEY: Digest = Digest([9; 32]);

const FACTS: AttemptFacts = AttemptFacts {
    began_ms: 1_700_000_000_000,
    took_ms: 40,
    bytes: 1 << 40,
    fetch_ms: 10,
    compute_ms: 20,
    write_ms: 5,
    unreached: Some(NodeId(4)),
};

fn submit(given_fit: bool, max_bad: Option<MaxBad>) -> Command {
    Command::SubmitJob {
        job: JobId("j".into()),
        spec: JobSpec {
            from: "in".into(),
            to: "out".into(),
            rows_per_part: 4,
            pca: true,
            given_fit,
            compute_class: "cpu".into(),
            fit_class: "f".into(),
            max_bad,
            options: b"{}".to_vec(),
        },
    }
}

fn stalled() -> Command {
    let (task, attempt) = (Task::Publish, Attempt(3));
    let (reason, detail) = (FailureReason::Stalled, "no progress".to_owned());
    Command::Fail { job: JobId("j".into()), task, attempt, reason, detail, facts: FACTS }
}

const REBUILD: Task = Task::Rebuild(TreeNode::Block { level: 3, index: 1 });

fn failed(reason: FailureReason) -> Command {
    let (task, attempt, detail) = (Task::Fit, Attempt(3), "why".to_owned());
    Command::Fail { job: JobId("j".into()), task, attempt, reason, detail, facts: FACTS }
}

/// One of each kind.
fn commands() -> Vec<Command> {
    let (job, node) = (JobId("j".into()), NodeId(3));
    let (address, storage) = ("host:7400".to_owned(), "5eed".to_owned());
    let (task, attempt) = (Task::Merge(TreeNode::Fold { rank: 3 }), Attempt(9));
    let (reason, detail) = (FailureReason::Panic, "why".to_owned());
    let tree_node = TreeNode::Block { level: 2, index: 7 };
    let result = TaskResult::Held { digest: KEY };
    let (range, cut) =
        (Task::ListRange(RangeId(7)), TaskResult::Cut { ranges: 9, keys: 5, digest: KEY });
    let listed = TaskResult::RangeListed { keys: 1 << 33, digest: KEY };
    vec![
        Command::AddNode {
            node,
            incarnation: u64::MAX,
            starts: 7,
            address: address.clone(),
            release: "0.1.0".into(),
            slots: 2,
            compute_class: "cpu".into(),
            fit_class: "f".into(),
        },
        Command::LoseNode { node, incarnation: 77 },
        submit(true, None),
        Command::CancelJob { job: job.clone() },
        Command::Grant { job: job.clone(), task, attempt, node },
        Command::Accept { job: job.clone(), task, attempt, result, facts: FACTS },
        Command::Fail { job: job.clone(), task, attempt, reason, detail, facts: FACTS },
        Command::DropMoments { job: job.clone(), tree_node, node },
        Command::FoundCluster {
            cluster: "ab12cd34".into(),
            name: "fruit".into(),
            voters_wanted: 3,
            address: address.clone(),
            storage: storage.clone(),
            key: KEY,
            certificate_life_ms: 1 << 33,
        },
        Command::CreateToken { id: "t".into(), hash: KEY, uses: 8, expires_ms: 1 << 41 },
        Command::RevokeToken { id: "t".into() },
        Command::Enroll { token: "t".into(), key: KEY, address, storage },
        Command::RegisterClient { name: "ann".into(), serial: "0a".into(), expires_ms: 1 << 41 },
        Command::RevokeClient { name: "ann".into() },
        Command::DrainNode { node, undo: true, leaving: false },
        Command::DrainNode { node, undo: false, leaving: true },
        Command::RemoveNode { node },
        Command::Accept { job: job.clone(), task: Task::List, attempt, result: cut, facts: FACTS },
        Command::Grant { job: job.clone(), task: range, attempt, node },
        Command::Accept { job: job.clone(), task: range, attempt, result: listed, facts: FACTS },
        Command::Grant { job, task: Task::Gather, attempt, node },
        stalled(),
        submit(false, Some(MaxBad::Photographs(7))),
        submit(true, Some(MaxBad::Billionths(50_000_000))),
        failed(FailureReason::MomentsUnreachable),
        failed(FailureReason::StorageRefused),
        Command::Grant { job: JobId("j".into()), task: REBUILD, attempt, node },
    ]
}

#[test]
fn every_reason_has_the_wire_code_of_its_protobuf_name() {
    for reason in FailureReason::ALL {
        let wire = v1::FailureReason::try_from(reason_to_proto(reason)).expect("a known code");
        let name = wire.as_str_name().trim_start_matches("FAILURE_REASON_").to_lowercase();
        assert_eq!(name, reason.code());
        assert_eq!(reason_from_proto(wire as i32).expect("round trip"), reason);
    }
    for unknown in [0, 99, -1, i32::MIN, i32::MAX] {
        assert!(reason_from_proto(unknown).is_err());
    }
}

#[test]
fn every_command_comes_back_as_it_was_with_the_time_of_its_proposal() {
    for command in commands() {
        let entry = decode(&encode(&command, 1_700_000_000_001)).expect("our own bytes");
        assert_eq!((entry.command, entry.now_ms), (command, 1_700_000_000_001));
    }
}

#[test]
fn an_entry_of_a_newer_format_is_refused_in_words() {
    let lose = Command::LoseNode { node: NodeId(1), incarnation: 0 };
    let mut entry = v1::Command::decode(&*encode(&lose, 0)).expect("our own bytes");
    entry.format_version = FORMAT_VERSION + 1;
    let error = decode(&entry.encode_to_vec()).expect_err("too new");
    assert!(error.to_string().contains("upgrade this node"), "{error}");
}

#[test]
fn what_older_releases_cannot_carry_out_is_marked_so() {
    let version = |command: &Command| {
        v1::Command::decode(&*encode(command, 5)).expect("our own bytes").format_version
    };
    assert_eq!(version(&submit(false, None)), 1);
    let versions: Vec<u32> = commands().iter().map(version).collect();
    assert_eq!(
        versions,
        [3, 3, 2, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5]
    );
}

#[test]
fn what_is_made_again_as_one_is_given_every_winner_below_it() {
    let winner = |partition| Winner {
        partition: PartitionId(partition),
        features_attempt: Attempt(partition + 3),
        features: KEY,
        good: 4,
        bad: 0,
        quarantine: None,
        scores: None,
    };
    let inputs = Inputs::Rebuild { partitions: 9, winners: (4..8).map(winner).collect() };
    assert_eq!(inputs_from_proto(Some(inputs_to_proto(&inputs))).expect("our own"), inputs);
}

#[test]
fn what_a_range_and_its_gather_are_given_comes_back_as_it_was() {
    let cut = Cut { attempt: Attempt(1), ranges: 2, keys: 2_000, digest: KEY };
    let part = |attempt, keys| RangePart { attempt: Attempt(attempt), keys, digest: KEY };
    for inputs in [Inputs::ListRange(cut), Inputs::Gather(cut, vec![part(4, 0), part(2, 1 << 40)])]
    {
        let wire = inputs_to_proto(&inputs);
        assert_eq!(inputs_from_proto(Some(wire.clone())).expect("our own"), inputs);
        let Some(v1::inputs::Inputs::Gather(mut gather)) = wire.inputs else { continue };
        // A part of no attempt is none.
        gather.parts[0] = v1::RangePart::default();
        let inputs = Some(v1::inputs::Inputs::Gather(gather));
        assert!(inputs_from_proto(Some(v1::Inputs { inputs, ..v1::Inputs::default() })).is_err());
    }
}

#[test]
fn cut_or_flipped_bytes_never_panic() {
    for command in commands() {
        let whole = encode(&command, 1_700_000_000_000);
        for end in 0..whole.len() {
            let _ = decode(&whole[..end]);
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let _ = decode(&flipped);
            }
        }
    }
}
