//! A leader that is elected, listens, and has to see to its cluster.

use std::collections::BTreeSet;

use super::*;
use crate::control::message::{Order, Report};
use crate::ids::Digest;
use crate::job::Job;
use crate::status::Role;
use crate::story::AttemptFacts;
use crate::task::{Task, TaskKind, TaskResult};
use crate::voters::UNFIT_TICKS;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const THREE: NodeId = NodeId(3);

/// A cluster of three nodes of which the first votes and leads; proposals are applied at once.
struct Room {
    leader: Leader,
    state: ClusterState,
    status: Status,
    streams: u64,
    /// What it wanted that was no proposal.
    wanted: Vec<Output>,
    hold: bool,
    held: Vec<(u64, Command)>,
}

fn founded() -> ClusterState {
    let mut state = ClusterState::default();
    let text = str::to_owned;
    let commands = [
        Command::FoundCluster {
            cluster: text("ab12cd34"),
            name: text("orchard"),
            voters_wanted: 3,
            address: text("a:1"),
            storage: text("s1"),
            key: Digest([1; 32]),
            certificate_life_ms: 0,
        },
        Command::CreateToken { id: text("t"), hash: Digest([7; 32]), uses: 9, expires_ms: 9 },
        enroll(2),
        enroll(3),
    ];
    for (index, command) in (1..).zip(&commands) {
        state.apply(index, 0, command);
    }
    state
}

fn enroll(node: u8) -> Command {
    let (address, storage) = (format!("a:{node}"), format!("s{node}"));
    Command::Enroll { token: "t".to_owned(), key: Digest([node; 32]), address, storage }
}

fn hello(node: NodeId, starts: u64) -> Hello {
    Hello {
        incarnation: 100 * node.0 + starts,
        starts,
        slots: 1,
        compute_class: "cpu".to_owned(),
        fit_class: "fit".to_owned(),
        address: format!("a:{}", node.0),
        storage: format!("s{}", node.0),
        release: "0.1.0".to_owned(),
    }
}

impl Room {
    fn new() -> Self {
        let status = Status {
            id: ONE,
            role: Role::Leader,
            serves: true,
            leader: Some(ONE),
            term: 4,
            committed: 4,
            applied: 4,
            voters: vec![ONE],
            learners: Vec::new(),
            changing: false,
            matched: BTreeMap::from([(ONE, 4)]),
            recent_active: BTreeSet::from([ONE]),
        };
        let (leader, state) = (Leader::new(Terms::default()), founded());
        let (wanted, held) = (Vec::new(), Vec::new());
        Self { leader, state, status, streams: 0, wanted, hold: false, held }
    }

    fn elected() -> Self {
        let mut room = Self::new();
        room.step(Input::News(News::Leading { term: 4 }));
        room
    }

    fn step(&mut self, input: Input) {
        let outputs = self.leader.step(&self.state, &self.status, 0, input);
        for output in outputs {
            match output {
                Output::Propose { proposal, command } => self.held.push((proposal, command)),
                other => self.wanted.push(other),
            }
        }
        while !self.hold && !self.held.is_empty() {
            let (proposal, command) = self.held.remove(0);
            self.status.applied += 1;
            let (index, term) = (self.status.applied, self.status.term);
            let effects = self.state.apply(index, 0, &command);
            if !effects.is_empty() {
                self.step(Input::News(News::Applied { term, index, effects }));
            }
            self.step(Input::Settled { proposal, applied: true });
        }
    }

    fn ticks(&mut self, count: u64) {
        (0..count).for_each(|_| self.step(Input::Tick));
    }

    fn attend(&mut self, hello: Hello, node: NodeId) -> StreamId {
        self.streams += 1;
        let stream = StreamId(self.streams);
        self.step(Input::Opened { stream, node, hello });
        stream
    }

    fn beat(&mut self, stream: StreamId) {
        self.step(Input::Said(stream, FromMember::Beat(Vec::new())));
    }

    /// Takes what was wanted.
    fn wanted(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.wanted)
    }

    fn said(&mut self, stream: StreamId) -> Vec<ToMember> {
        let said = self.wanted().into_iter().filter_map(|output| match output {
            Output::Say(to, message) if to == stream => Some(message),
            _ => None,
        });
        said.collect()
    }

    fn refusal(&mut self) -> Option<Refusal> {
        self.wanted().into_iter().find_map(|output| match output {
            Output::Refuse(_, refusal) => Some(refusal),
            _ => None,
        })
    }
}

#[test]
fn who_may_not_attend_is_told_why() {
    let mut follower = Room::new();
    follower.status.leader = Some(THREE);
    follower.attend(hello(TWO, 1), TWO);
    assert_eq!(follower.refusal(), Some(Refusal::NotLeader(Some(THREE))));

    let mut room = Room::elected();
    room.attend(hello(NodeId(9), 1), NodeId(9));
    assert_eq!(room.refusal(), Some(Refusal::NoMember));
    room.attend(Hello { storage: "other".to_owned(), ..hello(TWO, 1) }, TWO);
    assert_eq!(room.refusal(), Some(Refusal::OtherStore));
    room.attend(hello(TWO, 2), TWO);
    assert_eq!(room.refusal(), None);
    room.attend(hello(TWO, 1), TWO);
    assert_eq!(room.refusal(), Some(Refusal::OldCopy));
    room.attend(hello(TWO, 3), TWO);
    assert_eq!(room.refusal(), Some(Refusal::Twin));
}

#[test]
fn a_member_is_greeted_once_the_log_has_it_and_told_who_there_is() {
    let mut room = Room::elected();
    room.hold = true;
    let stream = room.attend(hello(TWO, 1), TWO);
    assert_eq!(room.said(stream), []);
    room.hold = false;
    room.beat(stream);
    let said = room.said(stream);
    let welcome = said.iter().find_map(|message| match message {
        ToMember::Welcome(welcome) => Some(welcome),
        _ => None,
    });
    let welcome = welcome.expect("it is greeted");
    assert_eq!((welcome.node, welcome.term), (TWO, 4));
    assert_eq!(welcome.roster.voters, BTreeSet::from([ONE]));
    assert!(welcome.roster.index > 0);
    assert!(room.leader.is_greeted(TWO));
}

#[test]
fn a_roster_grows_with_every_change_and_beyond_what_was_heard() {
    let mut room = Room::elected();
    room.leader.hear_roster(1 << 40);
    let stream = room.attend(hello(TWO, 1), TWO);
    let index = |room: &mut Room| {
        let said = room.said(stream).into_iter().filter_map(|message| match message {
            ToMember::Roster(roster) => Some(roster.index),
            _ => None,
        });
        said.collect::<Vec<_>>()
    };
    let first = index(&mut room);
    assert!(first.iter().all(|index| *index > 1 << 40), "{first:?}");
    room.ticks(duties_ticks());
    assert_eq!(index(&mut room), [], "nothing has changed");
    room.status.voters = vec![ONE, TWO];
    room.step(Input::TellRoster);
    let next = index(&mut room);
    assert!(next.len() == 1 && next > first, "{next:?} after {first:?}");
}

fn duties_ticks() -> u64 {
    10
}

#[test]
fn who_falls_silent_is_lost_and_its_stream_ends() {
    let mut room = Room::elected();
    let stream = room.attend(hello(TWO, 1), TWO);
    assert!(room.state.node(TWO).is_some());
    room.wanted();
    room.ticks(crate::attendance::SILENT_TICKS_MAX + 1);
    assert!(room.state.node(TWO).is_none());
    assert!(room.wanted().contains(&Output::End(stream)));
    room.beat(stream);
    assert!(room.state.node(TWO).is_none(), "words on a stream that has ended");
}

#[test]
fn a_member_that_asks_to_go_is_let_go_when_nothing_runs_there() {
    let mut room = Room::elected();
    let stream = room.attend(hello(TWO, 1), TWO);
    room.step(Input::Said(stream, FromMember::Leave));
    assert_eq!(room.state.node(TWO).map(|node| node.slots), Some(0));
    room.wanted();
    room.ticks(duties_ticks());
    assert!(room.said(stream).contains(&ToMember::Go));
    assert!(room.state.node(TWO).is_none());
}

#[test]
fn a_member_that_leaves_for_ever_is_removed_only_when_it_has_no_vote() {
    let mut room = Room::elected();
    room.status.voters = vec![ONE, TWO, THREE];
    room.status.recent_active = BTreeSet::from([ONE, TWO, THREE]);
    room.status.matched = [ONE, TWO, THREE].map(|node| (node, 4)).into();
    for node in [TWO, THREE] {
        room.attend(hello(node, 1), node);
    }
    let index = room.status.applied + 1;
    room.status.applied = index;
    let leave = Command::DrainNode { node: TWO, undo: false, leaving: true };
    room.state.apply(index, 0, &leave);
    room.wanted();
    room.ticks(3 * duties_ticks());
    let removed = |room: &Room| room.state.membership().member(TWO).is_some_and(|at| at.removed);
    assert!(!removed(&room));
    let change = room.wanted().into_iter().find_map(|output| match output {
        Output::Change { change, .. } => Some(change),
        _ => None,
    });
    let change = change.expect("its vote is taken away");
    assert!(change.remove.contains(&TWO), "{change:?}");
    // Committed, and the voters are told.
    room.status.voters = vec![ONE];
    room.ticks(duties_ticks());
    assert!(!removed(&room), "the change is not known to have ended");
    room.step(Input::Changed { term: 4 });
    room.ticks(duties_ticks());
    assert!(removed(&room));
    // There is no way back.
    let undo = Command::DrainNode { node: TWO, undo: true, leaving: false };
    room.state.apply(room.status.applied + 1, 0, &undo);
    assert!(removed(&room));
}

#[test]
fn voters_are_told_of_before_they_are_asked_and_proposed_when_they_have_taken_it() {
    let mut room = Room::elected();
    for node in [TWO, THREE] {
        room.attend(hello(node, 1), node);
    }
    room.wanted();
    room.ticks(duties_ticks());
    let wanted = room.wanted();
    let roster = wanted.iter().position(|output| match output {
        Output::Roster(roster) => roster.voters.contains(&TWO),
        _ => false,
    });
    let admit = wanted.iter().position(|output| *output == Output::Admit { node: TWO, term: 4 });
    assert!(roster.is_some() && roster < admit, "{wanted:?}");
    assert!(!wanted.iter().any(|output| matches!(output, Output::Change { .. })));
    room.step(Input::Admitted { node: TWO, term: 4, taken: true });
    assert!(!room.wanted().iter().any(|output| matches!(output, Output::Change { .. })));
    room.step(Input::Admitted { node: THREE, term: 4, taken: true });
    let changes = room.wanted();
    let changes: Vec<_> =
        changes.iter().filter(|output| matches!(output, Output::Change { .. })).collect();
    assert_eq!(changes.len(), 1);
}

#[test]
fn a_node_that_does_not_take_what_it_needs_is_passed_over_for_a_while() {
    for answer in [Some(false), None] {
        let mut room = Room::elected();
        room.attend(hello(TWO, 1), TWO);
        room.attend(hello(THREE, 1), THREE);
        room.ticks(duties_ticks());
        room.wanted();
        if let Some(taken) = answer {
            room.step(Input::Admitted { node: TWO, term: 3, taken });
            assert!(!room.leader.tenure.as_ref().unwrap().admissions.is_unfit(TWO, 11));
            room.step(Input::Admitted { node: TWO, term: 4, taken });
        }
        // Both attend all the time.
        let mut asked = Vec::new();
        for _ in 0..UNFIT_TICKS / 2 {
            for stream in [1, 2] {
                room.beat(StreamId(stream));
            }
            room.ticks(1);
            asked.extend(room.wanted().into_iter().filter_map(|output| match output {
                Output::Admit { node, .. } => Some(node),
                _ => None,
            }));
        }
        assert!(!asked.contains(&TWO), "{answer:?}: {asked:?}");
    }
}

#[test]
fn leases_are_granted_once_everything_before_is_settled_and_sent_again_with_a_greeting() {
    let mut room = Room::elected();
    let stream = room.attend(hello(TWO, 1), TWO);
    room.wanted();
    room.status.applied += 1;
    room.state.apply(room.status.applied, 0, &submit());
    room.hold = true;
    room.step(Input::Said(stream, FromMember::Report(dropped())));
    room.step(Input::Moved);
    assert_eq!(room.held.len(), 1, "the report alone: {:?}", room.held);
    room.hold = false;
    room.beat(stream);
    let leases = |said: Vec<ToMember>| {
        let lease = |message: &ToMember| match message {
            ToMember::Order { term: 4, order } => matches!(**order, Order::Start(_)),
            _ => false,
        };
        said.iter().filter(|message| lease(message)).count()
    };
    assert_eq!(leases(room.said(stream)), 1);
    // The same process comes back before its stream is seen to end.
    let again = room.attend(hello(TWO, 1), TWO);
    assert!(room.wanted.contains(&Output::End(stream)));
    assert_eq!(leases(room.said(again)), 1);
}

#[test]
fn a_lease_whose_inputs_are_lost_is_void_at_the_greeting_as_it_is_for_the_log() {
    let mut room = Room::elected();
    let first = room.attend(hello(TWO, 1), TWO);
    room.attend(hello(THREE, 1), THREE);
    room.step(Input::Moved);
    room.status.applied += 1;
    room.state.apply(room.status.applied, 0, &submit());
    room.step(Input::Moved);
    let digest = Digest([1; 32]);
    let listed = TaskResult::Listed { keys: 8, bytes: 8, partitions: 2, digest };
    let extracted = TaskResult::Extracted {
        good: 4,
        bad: 0,
        features: digest,
        quarantine: None,
        moments: Some(digest),
        gets: 4,
        inferences: 4,
    };
    let done = |room: &mut Room, wanted: fn(Task) -> bool, result: TaskResult| {
        let job = room.state.job(&JobId("j".to_owned())).expect("it was submitted");
        let leases: Vec<_> = job.granted().filter(|(task, _, _)| wanted(*task)).collect();
        for (task, attempt, node) in leases {
            let name = (JobId("j".to_owned()), task, attempt);
            let report = Report::Done { name, result, facts: AttemptFacts::default() };
            let stream = room.leader.sessions[&node].stream;
            room.step(Input::Said(stream, FromMember::Report(report)));
        }
        room.step(Input::Moved);
    };
    done(&mut room, |task| task == Task::List, listed);
    done(&mut room, |task| matches!(task, Task::Extract(_)), extracted);
    let merge = room.state.live_jobs().flat_map(Job::granted).next();
    let (task, attempt, node) = merge.expect("both partitions are there to be merged");
    assert_eq!((task.kind(), node), (TaskKind::Merge, TWO));
    // The other side of the merge goes, and whoever merges comes anew.
    room.status.applied += 1;
    let lost = Command::LoseNode { node: THREE, incarnation: 0 };
    room.state.apply(room.status.applied, 0, &lost);
    room.wanted();
    let again = room.attend(hello(TWO, 1), TWO);
    assert_ne!(again, first);
    let welcome = room.said(again).into_iter().find_map(|message| match message {
        ToMember::Welcome(welcome) => Some(welcome),
        _ => None,
    });
    assert_eq!(welcome.expect("it is greeted").attempts, BTreeSet::new());
    let job = room.state.job(&JobId("j".to_owned())).expect("it is under way");
    assert!(!job.is_leased((task, attempt), TWO), "the log waits for what is void");
    assert!(job.granted().all(|(task, _, _)| task.kind() == TaskKind::Remake));
}

fn submit() -> Command {
    let spec = crate::spec::JobSpec {
        from: "in".to_owned(),
        to: "out".to_owned(),
        rows_per_part: 4,
        pca: true,
        given_fit: false,
        compute_class: "cpu".to_owned(),
        fit_class: "fit".to_owned(),
        max_bad: None,
        options: Vec::new(),
    };
    Command::SubmitJob { job: JobId("j".to_owned()), spec }
}

fn dropped() -> Report {
    let leaf = crate::tree::TreeNode::leaf(0);
    Report::Dropped((JobId("j".to_owned()), leaf))
}

#[test]
fn whoever_leads_no_longer_ends_every_stream_and_proposes_nothing() {
    let mut room = Room::elected();
    let stream = room.attend(hello(TWO, 1), TWO);
    room.wanted();
    room.step(Input::News(News::Following { leader: Some(THREE), term: 5 }));
    assert!(room.wanted().contains(&Output::End(stream)));
    room.hold = true;
    room.beat(stream);
    room.ticks(2 * duties_ticks());
    assert_eq!(room.held, []);
    assert!(room.wanted().is_empty());
}
