//! Snapshots: what comes back, and what is refused.

use crate::codec::{SNAPSHOT_VERSION, decode_state, encode_state};
use crate::command::Command;
use crate::effect::Effect;
use crate::ids::{Attempt, Digest, JobId, NodeId, PartitionId, RangeId};
use crate::retry::FailureReason;
use crate::schedule;
use crate::spec::JobSpec;
use crate::state::ClusterState;
use crate::story::AttemptFacts;
use crate::task::{Task, TaskResult};
use crate::tree::TreeNode;

const DIGEST: Digest = Digest([0xd1; 32]);

/// A cluster in the middle of everything: tokens, people, a job under way with failures, merges and
/// a quarantine, one whose source is being listed in ranges, and one that is over.
fn busy() -> ClusterState {
    let mut state = ClusterState::default();
    let mut commands = association();
    commands.push(submit("over", "elsewhere"));
    commands.push(Command::CancelJob { job: JobId("over".into()) });
    commands.push(submit("cut", "third"));
    commands.push(submit("j", "out"));
    let mut queue: Vec<Effect> = Vec::new();
    for command in commands {
        let index = state.applied() + 1;
        queue.extend(state.apply(index, 1_000 * index, &command));
    }
    for step in 0..14 {
        for grant in schedule::grants(&state) {
            let index = state.applied() + 1;
            queue.extend(state.apply(index, 1_000 * index, &grant));
        }
        let starts = queue.iter().position(is_answered);
        let Effect::Start { job, task, attempt, .. } = queue.remove(starts.expect("work")) else {
            continue;
        };
        let command = answer(step, job, task, attempt);
        let index = state.applied() + 1;
        queue.extend(state.apply(index, 1_000 * index, &command));
    }
    for grant in schedule::grants(&state) {
        let index = state.applied() + 1;
        state.apply(index, 1_000 * index, &grant);
    }
    state
}

/// Two nodes that cannot fetch from each other, each with one side of a merge, and a store that
/// refused the first and did not answer the second.
fn walled() -> ClusterState {
    let mut state = ClusterState::default();
    let apply = |state: &mut ClusterState, command: Command| {
        let index = state.applied() + 1;
        state.apply(index, 1_000 * index, &command);
    };
    for node in [1, 2] {
        apply(
            &mut state,
            Command::AddNode {
                node: NodeId(node),
                incarnation: node,
                starts: 0,
                address: String::new(),
                release: String::new(),
                slots: 2,
                compute_class: "cpu".into(),
                fit_class: "f".into(),
            },
        );
    }
    apply(&mut state, submit("j", "out"));
    let merge = Task::Merge(TreeNode::Block { level: 1, index: 0 });
    let extract = |partition| Task::Extract(PartitionId(partition));
    let unreachable = |node| Some((FailureReason::MomentsUnreachable, Some(NodeId(node))));
    for (task, node, failure) in [
        (Task::List, 1, None),
        (extract(0), 1, None),
        (extract(1), 2, None),
        (merge, 1, unreachable(2)),
        (merge, 2, unreachable(1)),
        (extract(2), 1, Some((FailureReason::StorageRefused, None))),
        (extract(2), 2, Some((FailureReason::StorageUnavailable, None))),
    ] {
        let (job, attempt) =
            (JobId("j".into()), Attempt(state.jobs[&JobId("j".into())].next_attempt.0));
        let node = NodeId(node);
        apply(&mut state, Command::Grant { job: job.clone(), task, attempt, node });
        let command = match failure {
            None => answer(0, job, task, attempt),
            Some((reason, unreached)) => {
                let facts = AttemptFacts { unreached, ..AttemptFacts::default() };
                Command::Fail { job, task, attempt, reason, detail: "said so".into(), facts }
            }
        };
        apply(&mut state, command);
    }
    state
}

/// Whether something becomes of the attempt: one range of the source is never listed.
fn is_answered(effect: &Effect) -> bool {
    let never = Task::ListRange(RangeId(2));
    matches!(effect, Effect::Start { task, .. } if *task != never)
}

fn association() -> Vec<Command> {
    let text = str::to_owned;
    let (token, node) = (text("t1"), |id: u64, incarnation| Command::AddNode {
        node: NodeId(id),
        incarnation,
        starts: incarnation,
        address: format!("host{id}:7400"),
        release: "0.1.0".into(),
        slots: 1,
        compute_class: "cpu".into(),
        fit_class: "f".into(),
    });
    let enroll = |key| Command::Enroll {
        token: "t1".into(),
        key: Digest([key; 32]),
        address: "host:7400".into(),
        storage: format!("{key:02x}"),
    };
    vec![
        Command::FoundCluster {
            cluster: text("ab12cd34"),
            name: text("fruit"),
            voters_wanted: 3,
            address: text("host1:7400"),
            storage: text("01"),
            key: Digest([1; 32]),
            certificate_life_ms: 1 << 33,
        },
        Command::CreateToken { id: token, hash: DIGEST, uses: 3, expires_ms: 1 << 40 },
        enroll(2),
        enroll(3),
        enroll(4),
        Command::RegisterClient { name: text("ann"), serial: text("0a"), expires_ms: 1 << 40 },
        Command::RegisterClient { name: text("bob"), serial: text("0b"), expires_ms: 1 << 40 },
        Command::RevokeClient { name: text("bob") },
        node(1, 11),
        node(2, 22),
        node(3, 33),
        Command::DrainNode { node: NodeId(3), undo: false, leaving: true },
        Command::RemoveNode { node: NodeId(4) },
    ]
}

fn submit(job: &str, to: &str) -> Command {
    let spec = JobSpec {
        from: "in".into(),
        to: to.into(),
        rows_per_part: 4,
        pca: true,
        given_fit: false,
        compute_class: "cpu".into(),
        fit_class: "f".into(),
        max_bad: Some(crate::max_bad::MaxBad::Photographs(1_000)),
        options: b"{}".to_vec(),
    };
    Command::SubmitJob { job: JobId(job.into()), spec }
}

/// What becomes of the attempt of this step: every fourth fails.
fn answer(step: u32, job: JobId, task: Task, attempt: Attempt) -> Command {
    let facts = AttemptFacts { took_ms: 100 + step, bytes: 1 << 30, ..AttemptFacts::default() };
    if step % 4 == 3 {
        let (reason, detail) = (FailureReason::Panic, "said so".into());
        return Command::Fail { job, task, attempt, reason, detail, facts };
    }
    let result = match task {
        Task::List if job.0 == "cut" => TaskResult::Cut { ranges: 3, keys: 4, digest: DIGEST },
        Task::ListRange(RangeId(range)) => {
            TaskResult::RangeListed { keys: 10 * u64::from(range % 2), digest: DIGEST }
        }
        Task::Gather => TaskResult::Listed { keys: 14, bytes: 9, partitions: 4, digest: DIGEST },
        Task::List => TaskResult::Listed { keys: 24, bytes: 9_000, partitions: 6, digest: DIGEST },
        Task::Extract(PartitionId(p)) => TaskResult::Extracted {
            good: 3,
            bad: 1,
            features: DIGEST,
            quarantine: Some(DIGEST),
            moments: (p < 2).then_some(DIGEST),
            gets: 4,
            inferences: 3,
        },
        Task::Merge(_) | Task::Remake(_) | Task::Rebuild(_) => TaskResult::Held { digest: DIGEST },
        Task::Fit => TaskResult::Fitted { digest: DIGEST, components: 2 },
        Task::Project(_) => TaskResult::Projected { rows: 3, scores: DIGEST, csv: DIGEST },
        Task::Publish => TaskResult::Published { digest: DIGEST },
    };
    Command::Accept { job, task, attempt, result, facts }
}

/// Goes on for a while: nothing of it may panic, and invariants must keep holding.
fn carry_on(mut state: ClusterState) {
    for step in 0..30 {
        let mut queue = Vec::new();
        for grant in schedule::grants(&state) {
            let index = state.applied().saturating_add(1);
            queue.extend(state.apply(index, 0, &grant));
        }
        queue.extend(state.outstanding_effects());
        for effect in queue {
            if let Effect::Start { job, task, attempt, .. } = effect {
                let index = state.applied().saturating_add(1);
                state.apply(index, 0, &answer(step, job, task, attempt));
            }
        }
    }
    let index = state.applied().saturating_add(1);
    state.apply(index, 0, &Command::LoseNode { node: NodeId(1), incarnation: 0 });
}

#[test]
fn a_busy_state_comes_back_as_it_was() {
    let state = busy();
    let bytes = encode_state(&state);
    let restored = decode_state(&bytes).expect("our own bytes");
    assert_eq!(format!("{restored:?}"), format!("{state:?}"));
    assert_eq!(encode_state(&restored), bytes);
    let job = state.job(&JobId("j".into())).expect("submitted");
    assert!(!job.granted.is_empty() && !job.quarantine.is_empty() && !job.held.is_empty());
    let cut = state.job(&JobId("cut".into())).expect("submitted");
    assert!(cut.cut.is_some() && cut.ranges.iter().any(Option::is_some));
    assert!(cut.ranges.iter().any(Option::is_none) && !cut.granted.is_empty());
    assert!(!job.uncovered.is_empty() && job.story().any(|record| record.reason.is_some()));
}

#[test]
fn a_snapshot_of_a_newer_release_is_refused_in_words() {
    let mut bytes = encode_state(&busy());
    assert_eq!(bytes[..2], [8, 1], "what older releases can go on from is marked so");
    bytes[1] = SNAPSHOT_VERSION as u8 + 1;
    let error = decode_state(&bytes).expect_err("too new");
    assert!(error.to_string().contains("upgrade this node"), "{error}");
}

#[test]
fn what_is_endured_comes_back_as_it_was() {
    let state = walled();
    let bytes = encode_state(&state);
    assert_eq!(bytes[..2], [8, SNAPSHOT_VERSION as u8], "older releases would wait for ever");
    let restored = decode_state(&bytes).expect("our own bytes");
    assert_eq!(format!("{restored:?}"), format!("{state:?}"));
    assert_eq!(encode_state(&restored), bytes);
    let job = state.job(&JobId("j".into())).expect("submitted");
    assert!(!job.rebuilds.is_empty() && job.rebuilt > 0 && !job.turns.is_empty());
    assert!(!job.faults.nodes.is_empty() && !job.faults.waits.is_empty());
    assert_eq!(state.reach().shut().count(), 2);
}

#[test]
fn whatever_cut_or_flipped_bytes_yield_can_be_worked_with() {
    let (busy, walled) = (encode_state(&busy()), encode_state(&walled()));
    for whole in [busy, walled] {
        for end in 0..whole.len() {
            if let Ok(state) = decode_state(&whole[..end]) {
                carry_on(state);
            }
        }
        let mut taken = 0;
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(state) = decode_state(&flipped) {
                    taken += 1;
                    // Most of these are other digests, of which nothing follows.
                    if (at + bit) % 5 == 0 {
                        carry_on(state);
                    }
                }
            }
        }
        assert!(taken > 0, "not one flipped bit was taken");
    }
}
