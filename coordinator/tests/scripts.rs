//! Drives the state machine with the readable scripts under `testdata/`.
//!
//! A script is a list of steps. A step is one or more lines of input, a line `----`, and the lines
//! that are expected, up to an empty line; `#` begins a remark. Input lines:
//!
//! ```text
//! time 5000                              what the proposer's clock says from now on
//! found ab12 [voters=3]                  found a cluster whose first member has key 1
//! token t [uses=1] [until=9000]          create a token; `revoke token t`
//! may t [secret=wrong]                   whether a token would let a node in
//! enroll t 2 [at=host]                   the node with key 2 joins
//! client ann 0a [until=9000]             a person's certificate; `revoke client ann`
//! drain 2 | undrain 2 | remove 2
//! roster                                 who there is
//! node 1 slots=2 [process=1] [compute=cpu] [fit=f] [at=host]   a process offers slots
//! lose 1 [process=1]                     a node is gone
//! submit j [pca=no] [fit=given] [rows=4] [to=out] [bad=5|5%]   submit a job
//! cancel j
//! schedule                               grant what the scheduler proposes
//! overdue j extract:0 a2 [a3]            the same, while these attempts at a task make no progress
//! grant j extract:0 a7 n1                grant by hand
//! accept j extract:0 a2 [keys=9] [good=3] [bad=1] [k=2]
//! accept j list a1 [keys=9] [ranges=3]   with ranges, the survey cut the source
//! fail j extract:0 a2 panic [unreached=2]
//! drop j 0-1 n1                          a node drops moments
//! show j                                 the job in one line
//! endured j                              what stores and ways between nodes do not do
//! outstanding                            what a new leader would send again
//! inputs j merge:0-1                     what an attempt would be given
//! ```
//!
//! `UPDATE_SCRIPTS=1 cargo test --workspace --test scripts` writes what happened as what is
//! expected; read the difference before you keep it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fruitnode_coordinator::codec;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::ids::{Attempt, Digest, JobId, NodeId, PartitionId, RangeId};
use fruitnode_coordinator::inputs::Inputs;
use fruitnode_coordinator::job::ListingProgress;
use fruitnode_coordinator::max_bad::{MaxBad, WHOLE};
use fruitnode_coordinator::members::{Listed, Roster};
use fruitnode_coordinator::partition;
use fruitnode_coordinator::phase::{Outcome, Phase};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::schedule;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::{Task, TaskResult};
use fruitnode_coordinator::tree::TreeNode;

#[test]
fn every_script_plays_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut scripts: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    let mut wrong = Vec::new();
    for script in scripts {
        let text = fs::read_to_string(&script).unwrap();
        let played = play(&text);
        if std::env::var_os("UPDATE_SCRIPTS").is_some() {
            fs::write(&script, played).unwrap();
        } else if played != text {
            wrong.push(format!("{}:\n{}", script.display(), first_difference(&text, &played)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn first_difference(expected: &str, actual: &str) -> String {
    let pairs = expected.lines().zip(actual.lines()).enumerate();
    for (number, (expected, actual)) in pairs {
        if expected != actual {
            return format!("line {}\n  expected {expected}\n  actual   {actual}", number + 1);
        }
    }
    "one is longer than the other".to_owned()
}

/// Plays a script on a fresh state and returns it with what really happened.
fn play(text: &str) -> String {
    let mut world = World { state: ClusterState::default(), index: 0, now_ms: 0 };
    let mut played = String::new();
    let mut lines = text.lines();
    let mut happened = String::new();
    while let Some(line) = lines.next() {
        played.push_str(line);
        played.push('\n');
        if line == "----" {
            played.push_str(if happened.is_empty() { "nothing\n" } else { &happened });
            happened.clear();
            for skipped in lines.by_ref() {
                if skipped.is_empty() {
                    played.push('\n');
                    break;
                }
            }
        } else if !line.is_empty() && !line.starts_with('#') {
            world.step(line, &mut happened);
        }
    }
    played
}

struct World {
    state: ClusterState,
    index: u64,
    now_ms: u64,
}

impl World {
    fn step(&mut self, line: &str, out: &mut String) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let job = || JobId(words[1].to_owned());
        match words[0] {
            "schedule" => {
                let grants =
                    |world: &Self| schedule::turn_at(&world.state, &[].into(), world.now_ms).grants;
                grants(self).into_iter().for_each(|grant| self.apply(grant, out));
                assert!(grants(self).is_empty(), "scheduling is not complete");
            }
            "overdue" => {
                let attempt = |word: &&str| Attempt(word[1..].parse().expect("such as a3"));
                let name = |word| (job(), task(words[2]), attempt(word));
                let turn = schedule::turn(&self.state, &words[3..].iter().map(name).collect());
                turn.grants.into_iter().for_each(|grant| self.apply(grant, out));
                for ((job, task, attempt), node) in turn.give_up {
                    let _ = writeln!(out, "{node} give up {job} {task} {attempt}");
                }
            }
            "show" => self.show(&job(), out),
            "endured" => self.endured(&job(), out),
            "inputs" => self.inputs(&job(), task(words[2]), out),
            "time" => self.now_ms = words[1].parse().expect("milliseconds"),
            "may" => self.may_enroll(&words, out),
            "roster" => self.roster(out),
            "outstanding" => {
                let effects = self.state.outstanding_effects();
                effects.iter().for_each(|effect| print_effect(effect, out));
            }
            _ => self.apply(self.command(&words), out),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let option = |name: &str| {
            let value = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.map(str::to_owned)
        };
        let number = |name: &str, default: u32| {
            option(name).map_or(default, |text| text.parse::<u32>().expect("a number"))
        };
        let job = || JobId(words[1].to_owned());
        let attempt = || Attempt(words[3][1..].parse().expect("an attempt such as a3"));
        match words[0] {
            "node" => Command::AddNode {
                node: node(words[1]),
                incarnation: u64::from(number("process", 1)),
                starts: number("starts", 0).into(),
                address: option("at").unwrap_or_default(),
                release: option("release").unwrap_or_default(),
                slots: number("slots", 1),
                compute_class: option("compute").unwrap_or_else(|| "cpu".into()),
                fit_class: option("fit").unwrap_or_else(|| "f".into()),
            },
            "found" => Command::FoundCluster {
                cluster: words[1].to_owned(),
                name: "fruit".into(),
                voters_wanted: number("voters", 3),
                address: option("at").unwrap_or_default(),
                storage: "1".into(),
                key: key("1"),
                certificate_life_ms: 0,
            },
            "token" => Command::CreateToken {
                id: words[1].to_owned(),
                hash: key("7"),
                uses: number("uses", 1),
                expires_ms: number("until", 9_000).into(),
            },
            "enroll" => Command::Enroll {
                token: words[1].to_owned(),
                key: key(words[2]),
                address: option("at").unwrap_or_default(),
                storage: words[2].to_owned(),
            },
            "client" => Command::RegisterClient {
                name: words[1].to_owned(),
                serial: words[2].to_owned(),
                expires_ms: number("until", 9_000).into(),
            },
            "revoke" if words[1] == "token" => Command::RevokeToken { id: words[2].to_owned() },
            "revoke" => Command::RevokeClient { name: words[2].to_owned() },
            "drain" | "undrain" | "leave" => Command::DrainNode {
                node: node(words[1]),
                undo: words[0] == "undrain",
                leaving: words[0] == "leave",
            },
            "remove" => Command::RemoveNode { node: node(words[1]) },
            "lose" => Command::LoseNode {
                node: node(words[1]),
                incarnation: u64::from(number("process", 0)),
            },
            "submit" => submit(job(), number("rows", 4), &option),
            "cancel" => Command::CancelJob { job: job() },
            "grant" => Command::Grant {
                job: job(),
                task: task(words[2]),
                attempt: attempt(),
                node: node(words[4]),
            },
            "accept" => {
                let task = task(words[2]);
                let result = self.result(&job(), task, &number);
                let facts = AttemptFacts::default();
                Command::Accept { job: job(), task, attempt: attempt(), result, facts }
            }
            "fail" => Command::Fail {
                job: job(),
                task: task(words[2]),
                attempt: attempt(),
                reason: reason(words[4]),
                detail: "said so".into(),
                facts: AttemptFacts {
                    unreached: option("unreached").map(|word| node(&word)),
                    ..AttemptFacts::default()
                },
            },
            "drop" => {
                let (tree_node, node) = (tree_node(words[2]), node(words[3]));
                Command::DropMoments { job: job(), tree_node, node }
            }
            other => panic!("unknown step {other}"),
        }
    }

    /// Commands reach the state as they do through the log: as bytes.
    fn apply(&mut self, command: Command, out: &mut String) {
        self.index += 1;
        let bytes = codec::encode(&command, self.now_ms);
        let entry = codec::decode(&bytes).expect("our own bytes");
        for effect in self.state.apply(self.index, entry.now_ms, &entry.command) {
            print_effect(&effect, out);
        }
    }

    fn may_enroll(&self, words: &[&str], out: &mut String) {
        let stored = |hash: &Digest| *hash == key("7") && !words.contains(&"secret=wrong");
        let answer = self.state.may_enroll(words[1], stored, self.now_ms);
        let _ = writeln!(out, "{}", answer.map_or_else(|no| no.to_string(), |()| "it may".into()));
    }

    fn roster(&self, out: &mut String) {
        let roster = self.state.membership().roster();
        let member = |listed: &Listed| format!("{} at {}", listed.node, listed.address);
        let members = roster.members.iter().map(member).collect::<Vec<_>>().join(", ");
        let Roster { index, removed, revoked, people, .. } = roster;
        let _ = write!(out, "{index}: {members}; removed {removed:?}; ");
        let _ = writeln!(out, "revoked {revoked:?}; good {people:?}");
    }

    fn result(&self, job: &JobId, task: Task, number: &dyn Fn(&str, u32) -> u32) -> TaskResult {
        let digest = Digest([7; 32]);
        let spec = self.state.job(job).expect("a known job").spec().clone();
        match task {
            Task::List if number("ranges", 0) > 0 => {
                let (ranges, keys) = (number("ranges", 0), u64::from(number("keys", 8)));
                TaskResult::Cut { ranges, keys, digest }
            }
            Task::ListRange(_) => {
                TaskResult::RangeListed { keys: u64::from(number("keys", 8)), digest }
            }
            Task::List | Task::Gather => {
                let keys = u64::from(number("keys", 8));
                let partitions = partition::count(keys, spec.rows_per_part).expect("few keys");
                TaskResult::Listed { keys, bytes: keys * 10, partitions, digest }
            }
            Task::Extract(_) => {
                let (good, bad) = (number("good", 4), number("bad", 0));
                TaskResult::Extracted {
                    good,
                    bad,
                    features: digest,
                    quarantine: (bad > 0).then_some(digest),
                    moments: spec.reduces().then_some(digest),
                    gets: good + bad,
                    inferences: good,
                }
            }
            Task::Remake(_) | Task::Rebuild(_) | Task::Merge(_) => TaskResult::Held { digest },
            Task::Fit => TaskResult::Fitted { digest, components: number("k", 2) },
            Task::Project(_) => {
                TaskResult::Projected { rows: number("rows", 4), scores: digest, csv: digest }
            }
            Task::Publish => TaskResult::Published { digest },
        }
    }

    fn show(&self, job: &JobId, out: &mut String) {
        let job = self.state.job(job).expect("a known job");
        let phase = match job.phase() {
            Phase::Ended(Outcome::Succeeded { .. }) => "succeeded".to_owned(),
            Phase::Ended(Outcome::Cancelled) => "cancelled".to_owned(),
            Phase::Ended(Outcome::Failed { task, reason, detail }) => {
                format!("failed at {task} with {}: {detail}", reason.code())
            }
            phase => format!("{phase:?}").to_lowercase(),
        };
        let phase = match job.listing_progress() {
            None => phase,
            Some(ListingProgress { keys, ranges, listed }) => {
                format!("{phase} {listed} of {ranges} ranges, {keys} keys")
            }
        };
        let counts = job.counts();
        let _ = writeln!(
            out,
            "{phase}; extracted {}, merges {}, remade {}, projected {}; good {}, bad {}, gets {}, \
             inferences {}; failed attempts {}",
            counts.extracted,
            counts.merges,
            counts.remade,
            counts.projected,
            counts.good,
            counts.bad,
            counts.gets,
            counts.inferences,
            counts.failed_attempts,
        );
    }

    fn endured(&self, job: &JobId, out: &mut String) {
        for (from, to, shut) in self.state.reach().shut() {
            let _ = writeln!(out, "{from} does not reach {to} since {}", shut.since_ms);
        }
        for (node, fault) in self.state.job(job).expect("a known job").store_faults().nodes() {
            let words = if fault.is_refused() { "is refused" } else { "is not answered" };
            let (since_ms, until_ms) = (fault.since_ms, fault.until_ms);
            let _ = writeln!(out, "{node} {words} since {since_ms}, until {until_ms}");
        }
        if let Some(due_ms) = schedule::next_due_ms(&self.state, self.now_ms) {
            let _ = writeln!(out, "somebody has waited long enough at {due_ms}");
        }
    }

    fn inputs(&self, job: &JobId, task: Task, out: &mut String) {
        let line = match self.state.inputs(job, task) {
            None => "cannot be done now".to_owned(),
            Some(Inputs::List) => "the source".to_owned(),
            Some(Inputs::ListRange(cut)) => format!("survey of {}", cut.attempt),
            Some(Inputs::Gather(cut, parts)) => {
                let parts = parts.iter().map(|part| part.attempt.to_string());
                let parts = parts.collect::<Vec<_>>().join(" ");
                format!("survey of {}, ranges of {parts}", cut.attempt)
            }
            Some(Inputs::Extract { listing, careful, .. }) => {
                format!("manifest of {}{}", listing.attempt, if careful { ", careful" } else { "" })
            }
            Some(Inputs::Remake(winner)) => format!("features of {}", winner.features_attempt),
            Some(Inputs::Rebuild { winners, .. }) => {
                let parts = winners.iter().map(|winner| winner.features_attempt.to_string());
                format!("features of {}", parts.collect::<Vec<_>>().join(" "))
            }
            Some(Inputs::Merge((left, at_left), (right, at_right))) => {
                format!("{left} on {}, {right} on {}", at_left.node, at_right.node)
            }
            Some(Inputs::Fit(root, at)) => format!("{root} on {}", at.node),
            Some(Inputs::Adopt) => "the given model".to_owned(),
            Some(Inputs::Project(winner, fit)) => {
                format!("features of {}, fit of {}", winner.features_attempt, fit.attempt)
            }
            Some(Inputs::Publish { winners, .. }) => {
                let parts = winners.iter().map(|winner| winner.features_attempt.to_string());
                format!("features of {}", parts.collect::<Vec<_>>().join(" "))
            }
        };
        let _ = writeln!(out, "{line}");
    }
}

fn spec(rows_per_part: u32, pca: bool) -> JobSpec {
    JobSpec {
        from: "in".into(),
        to: "out".into(),
        rows_per_part,
        pca,
        given_fit: false,
        compute_class: "cpu".into(),
        fit_class: "f".into(),
        max_bad: None,
        options: Vec::new(),
    }
}

fn print_effect(effect: &Effect, out: &mut String) {
    let line = match effect {
        Effect::Start { job, task, attempt, node } => {
            format!("{node} start {job} {task} {attempt}")
        }
        Effect::Cancel { job, task, attempt, node } => {
            format!("{node} cancel {job} {task} {attempt}")
        }
        Effect::Release { job, tree_node, node } => format!("{node} release {job} {tree_node}"),
        Effect::Abandon { job } => format!("somebody clear {job}"),
        Effect::End { job, outcome: Outcome::Succeeded { .. }, .. } => format!("{job} succeeded"),
        Effect::End { job, outcome: Outcome::Cancelled, .. } => format!("{job} cancelled"),
        Effect::End { job, outcome: Outcome::Failed { task, reason, .. }, .. } => {
            format!("{job} failed at {task}: {}", reason.code())
        }
    };
    let _ = writeln!(out, "{line}");
}

fn submit(job: JobId, rows: u32, option: &dyn Fn(&str) -> Option<String>) -> Command {
    let pca = option("pca").as_deref() != Some("no");
    let given_fit = option("fit").as_deref() == Some("given");
    let to = option("to").unwrap_or_else(|| format!("out/{job}"));
    let max_bad = option("bad").map(|word| max_bad(&word));
    let spec = JobSpec { given_fit, to, max_bad, ..spec(rows, pca) };
    Command::SubmitJob { job, spec }
}

fn max_bad(word: &str) -> MaxBad {
    match word.strip_suffix('%') {
        None => MaxBad::Photographs(word.parse().expect("a number")),
        Some(percent) => {
            MaxBad::Billionths(percent.parse::<u32>().expect("percent") * (WHOLE / 100))
        }
    }
}

fn key(text: &str) -> Digest {
    Digest([text.parse().expect("a small number"); 32])
}

fn node(text: &str) -> NodeId {
    NodeId(text.trim_start_matches('n').parse().expect("a node such as n1"))
}

fn reason(text: &str) -> FailureReason {
    let known = FailureReason::ALL.into_iter().find(|reason| reason.code() == text);
    known.unwrap_or_else(|| panic!("unknown reason {text}"))
}

fn task(text: &str) -> Task {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let partition = || PartitionId(rest.parse().expect("a partition"));
    match kind {
        "list" => Task::List,
        "list-range" => Task::ListRange(RangeId(rest.parse().expect("a range"))),
        "gather" => Task::Gather,
        "extract" => Task::Extract(partition()),
        "remake" => Task::Remake(partition()),
        "rebuild" => Task::Rebuild(tree_node(rest)),
        "merge" => Task::Merge(tree_node(rest)),
        "fit" => Task::Fit,
        "project" => Task::Project(partition()),
        "publish" => Task::Publish,
        other => panic!("unknown task {other}"),
    }
}

fn tree_node(text: &str) -> TreeNode {
    if let Some(rank) = text.strip_prefix("fold") {
        return TreeNode::Fold { rank: rank.parse().expect("a rank") };
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u32, u32) = (first.parse().expect("first"), last.parse().expect("last"));
    let level = (last - first + 1).ilog2() as u8;
    TreeNode::Block { level, index: first >> level }
}
