//! One cluster of real processes, and everything that goes on in it at a time: nodes, commands,
//! looks at the status, jobs. A tick looks at all of them once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use super::clock::{Clock, Time};
use super::jobs::Jobs;
use super::known::{Going, Knowledge, Known, Life, Look, Past};
use super::network::node_address;
use super::process::{Process, Running};
use super::report::Report;
use super::rules::{Cut, Machine, Manner};
use super::script::{MACHINES_MAX, Operation, Script};
use super::site::{Means, Site, hosts};
use super::{Say, StormError, Violation};

/// Between the end of a look at the status and the next one.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a look waits for an answer.
const LOOK_PATIENCE: &str = "3s";

/// How long a look may take at most.
const LOOK_LIMIT: Duration = Duration::from_secs(15);

/// A time without a coordinator is one if it is longer than looks are apart.
const GAP_MIN: Duration = Duration::from_millis(1_500);

/// What a look may add to the time without a coordinator.
const LOOK_SLACK: Duration = Duration::from_secs(2);

/// How long a node may take to stop when it is asked to, or to be let in.
const SLOW_MAX: Duration = Duration::from_secs(90);

/// A flapping partition comes or goes so often.
const FLAP_EVERY: Duration = Duration::from_secs(1);

/// Lines of each log in the words of a failure.
const TAIL_LINES: usize = 25;

/// Nodes that may join with the first token.
const TOKEN_USES: u32 = 64;

/// The process of a node, and where it keeps what it is.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) process: Option<Process>,
    pub(crate) folder: String,
    pub(crate) starts: u32,
    /// Other nodes of the cluster when it was killed.
    pub(crate) knew: BTreeSet<u64>,
}

/// What a command that runs is for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) operation: Operation,
    pub(crate) machine: Option<Machine>,
    /// The node that the machine had then, as the cluster calls it.
    pub(crate) node: Option<u64>,
    pub(crate) began: Time,
    /// Whether a coordinator was possible when it began.
    pub(crate) able: bool,
    /// Whether another one about the same machine was answered while it ran: then it is open which
    /// the cluster heard first.
    pub(crate) overlapped: bool,
    pub(crate) command: Running,
}

/// A cluster in a storm.
#[derive(Debug)]
pub(crate) struct Arena {
    // Processes go before the namespaces that they are in.
    pub(crate) bodies: BTreeMap<Machine, Body>,
    pub(crate) asked: Vec<Asked>,
    look: Option<(Time, Running)>,
    pub(crate) jobs: Jobs,
    pub(crate) site: Site,
    pub(crate) known: Knowledge,
    pub(crate) clock: Clock,
    pub(crate) report: Report,
    pub(crate) say: Say,
    pub(crate) cut: Option<Cut>,
    pub(crate) outage: Option<Manner>,
    flap_at: Time,
    flap_cut: bool,
    pub(crate) tokens: VecDeque<String>,
    pub(crate) first_token: String,
    pub(crate) folders: u32,
    pub(crate) files: u32,
    look_at: Time,
    /// The last look that saw a coordinator, when it ended.
    pub(crate) last_good: Time,
    pub(crate) last_look: Option<(Time, Look)>,
    last_words: String,
    /// Since when a coordinator is possible.
    pub(crate) able_since: Option<Time>,
    gap_max: Duration,
    bound: Duration,
}

impl Arena {
    /// Founds a cluster as the script wants it.
    pub(crate) fn found(
        means: &Means,
        (folder, prefix): (&Path, &str),
        script: &Script,
        (bound, say): (Duration, Say),
    ) -> Result<Self, StormError> {
        let mut site = Site::new(means, folder, prefix)?;
        let marker = site.run_alone()?;
        let mut arena = Self {
            bodies: BTreeMap::new(),
            asked: Vec::new(),
            look: None,
            jobs: Jobs::new(marker, means.count, script.pause),
            site,
            known: Knowledge::new(script.voters),
            clock: Clock::start(),
            report: Report { storms: 1, ..Report::default() },
            say,
            cut: None,
            outage: None,
            flap_at: Time::ZERO,
            flap_cut: false,
            tokens: VecDeque::new(),
            first_token: String::new(),
            folders: 0,
            files: 0,
            look_at: Time::ZERO,
            last_good: Time::ZERO,
            last_look: None,
            last_words: String::new(),
            able_since: None,
            gap_max: Duration::ZERO,
            bound,
        };
        arena.found_first(script.voters)?;
        for machine in 2..=script.nodes {
            arena.join(machine)?;
        }
        Ok(arena)
    }

    fn found_first(&mut self, voters: u32) -> Result<(), StormError> {
        let line = format!(
            "init --listen {} --http off --threads 1 --voters {voters} --uses {TOKEN_USES}",
            node_address(1)
        );
        self.launch(1, "m1", &line)?;
        let said = self.site.folder.join("m1.out");
        let began = self.now();
        loop {
            let text = fs::read_to_string(&said).unwrap_or_default();
            // The line that others join with holds the token.
            if let Some(token) = text.split_whitespace().find(|word| word.starts_with("FN1.")) {
                token.clone_into(&mut self.first_token);
                return Ok(());
            }
            if self.now() - began > SLOW_MAX {
                let words = format!("it says no token\n{}", self.tails());
                return Err(StormError::Tool { what: "fruitnode init".to_owned(), words });
            }
            super::pause();
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Starts a node that joins on a machine, in a new folder.
    pub(crate) fn join(&mut self, machine: Machine) -> Result<(), StormError> {
        self.folders += 1;
        let folder = match self.site.folder.join(format!("m{machine}")).exists() {
            false => format!("m{machine}"),
            true => format!("m{machine}-{}", self.folders),
        };
        let token = self.tokens.pop_front().unwrap_or_else(|| self.first_token.clone());
        let ask = match self.known.askable() {
            ask if ask.is_empty() => vec![1],
            ask => ask,
        };
        let line = format!(
            "join {} --token {token} --listen {} --http off --threads 1",
            hosts(&ask),
            node_address(machine)
        );
        self.launch(machine, &folder, &line)
    }

    /// Starts a node again that is dead.
    pub(crate) fn start(&mut self, machine: Machine) -> Result<(), StormError> {
        let (folder, knew) = {
            let body = self.bodies.get_mut(&machine).expect("it was started before");
            (body.folder.clone(), std::mem::take(&mut body.knew))
        };
        let present = self.known.nodes.values().filter_map(|node| node.id);
        // Who is left to it is told by its log, and what to do: nobody else can know it.
        let lost = !knew.is_empty() && !present.into_iter().any(|id| knew.contains(&id));
        let ask = self.known.askable().first().copied().filter(|_| lost);
        let ask = ask.map(|other| format!(" --ask {}", hosts(&[other]))).unwrap_or_default();
        self.launch(machine, &folder, &format!("start --http off --threads 1{ask}"))?;
        let id = self.known.nodes.get(&machine).and_then(|node| node.id);
        self.set_life(machine, if id.is_some() { Life::Up } else { Life::Joining });
        Ok(())
    }

    fn launch(&mut self, machine: Machine, folder: &str, line: &str) -> Result<(), StormError> {
        let file = |end: &str| {
            let path = self.site.folder.join(format!("{folder}.{end}"));
            let opened = File::options().create(true).append(true).open(&path);
            opened.map_err(|source| StormError::File { path, source })
        };
        let mut command = self.site.on(machine);
        command.args(line.split_whitespace()).args(["--data-dir", folder, "-v"]);
        command.stdin(std::process::Stdio::null()).stdout(file("out")?).stderr(file("log")?);
        let process = Some(Process::start(command)?);
        let now = self.now();
        let body = self.bodies.entry(machine).or_insert_with(|| Body {
            process: None,
            folder: folder.to_owned(),
            starts: 0,
            knew: BTreeSet::new(),
        });
        body.process = process;
        body.starts += 1;
        self.known.nodes.entry(machine).or_insert(Known {
            id: None,
            life: Life::Joining,
            since: now,
            going: Going::Stays,
            drained: Some(false),
            answered: now,
        });
        Ok(())
    }

    pub(crate) fn set_life(&mut self, machine: Machine, life: Life) {
        let now = self.now();
        if let Some(node) = self.known.nodes.get_mut(&machine) {
            (node.life, node.since) = (life, now);
        }
    }

    /// The node of a machine is out for good: the machine is free.
    pub(crate) fn release(&mut self, machine: Machine) {
        let since = self.now();
        if let Some(node) = self.known.nodes.remove(&machine)
            && let Some(id) = node.id
        {
            let dead = matches!(node.life, Life::Killed | Life::Frozen);
            self.known.past.entry(id).or_insert(Past { dead, since });
        }
        self.bodies.remove(&machine);
    }

    /// The first machine without a node.
    pub(crate) fn free(&self) -> Option<Machine> {
        (1..=MACHINES_MAX).find(|machine| !self.bodies.contains_key(machine))
    }

    /// One look at everything.
    pub(crate) fn tick(&mut self) -> Result<(), Violation> {
        let now = self.now();
        self.reap(now)?;
        self.flap(now)?;
        self.hear()?;
        self.watch(now)?;
        self.check_coordinator(self.now())?;
        let ask = self.known.askable();
        let report = (&mut self.report, self.gap_max);
        self.jobs.tick(now, &mut self.site, &ask, report)
    }

    /// Processes that ended, or that do not though they should.
    fn reap(&mut self, now: Time) -> Result<(), Violation> {
        for machine in self.bodies.keys().copied().collect::<Vec<_>>() {
            self.recognise(machine);
            let body = self.bodies.get_mut(&machine).expect("it was there");
            let ended = body.process.as_mut().and_then(Process::ended);
            let node = self.known.nodes[&machine].clone();
            let Some(status) = ended else {
                if node.life == Life::Stopping && now - node.since > SLOW_MAX {
                    let words = format!("m{machine} does not stop within {SLOW_MAX:?}");
                    return Err(Violation::new("process", words));
                }
                continue;
            };
            body.process = None;
            let code = status.code();
            match (node.life, node.going) {
                // It was to start again, and does, whether it will be let in or not.
                (Life::Stopping, Going::Stays | Going::Asked) if code == Some(0) => {
                    self.start(machine).map_err(|error| Violation::tool(&error))?;
                }
                (_, Going::Asked | Going::Gone) => {
                    self.say.line(now, &format!("m{machine} ({}) is out", name(&node)));
                    self.release(machine);
                }
                (Life::Joining, Going::Stays) if self.words_of(machine).contains("error") => {
                    self.say.line(
                        now,
                        &format!("m{machine} is not let in: {}", self.words_of(machine)),
                    );
                    self.report.operations.entry("join").or_default().refused += 1;
                    self.release(machine);
                }
                _ => {
                    let words = self.words_of(machine);
                    let how = format!("m{machine} ({}) ended by itself: {status}", name(&node));
                    return Err(Violation::new("process", format!("{how}: {words}")));
                }
            }
        }
        Ok(())
    }

    /// Learns the id of a node once it is let in.
    fn recognise(&mut self, machine: Machine) {
        let node = &self.known.nodes[&machine];
        if node.id.is_some() {
            return;
        }
        let folder = &self.bodies[&machine].folder;
        let identity = self.site.folder.join(folder).join("identity.json");
        let Ok(text) = fs::read_to_string(identity) else { return };
        let told: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(id) = told["node"].as_u64() else { return };
        let life = if node.life == Life::Joining { Life::Up } else { node.life };
        self.set_life(machine, life);
        self.known.nodes.get_mut(&machine).expect("it is there").id = Some(id);
    }

    /// Last line that a node logged.
    fn words_of(&self, machine: Machine) -> String {
        let Some(body) = self.bodies.get(&machine) else { return String::new() };
        let log = fs::read_to_string(self.site.folder.join(format!("{}.log", body.folder)));
        log.unwrap_or_default().lines().last().unwrap_or_default().to_owned()
    }

    /// Starts a look, or takes in what one said.
    fn watch(&mut self, now: Time) -> Result<(), Violation> {
        match &mut self.look {
            None if now < self.look_at => Ok(()),
            None => {
                let ask = self.known.askable();
                if ask.is_empty() {
                    return Ok(());
                }
                let mut command = self.site.client();
                command.args(["status", "-o", "json", "--timeout", LOOK_PATIENCE]);
                command.args(["--host", &hosts(&ask)]);
                let files = self.site.folder.join("look");
                let started = Running::start(command, &files, (now, LOOK_LIMIT));
                self.look = Some((now, started.map_err(|error| Violation::tool(&error))?));
                Ok(())
            }
            Some((began, running)) => {
                let Some(ended) = running.ended(now) else { return Ok(()) };
                let began = *began;
                self.look = None;
                self.look_at = now + LOOK_EVERY;
                self.report.looks += 1;
                match Look::parse(&ended.out).filter(|_| ended.is_done()) {
                    Some(look) if look.leader.is_some() => self.saw(look, (began, now)),
                    _ => {
                        self.report.looks_unanswered += 1;
                        self.last_words = ended.words();
                        Ok(())
                    }
                }
            }
        }
    }

    fn saw(&mut self, look: Look, (began, now): (Time, Time)) -> Result<(), Violation> {
        let gap = now - self.last_good;
        if gap > GAP_MIN && self.last_good > Time::ZERO {
            self.report.gaps.push(gap);
            self.gap_max = self.gap_max.max(gap);
            self.say.line(now, &format!("a coordinator again, after {:.1} s", gap.as_secs_f64()));
        }
        if look.leader != self.known.leader
            && let Some(leader) = look.leader
        {
            self.say.line(now, &format!("n{leader} is the coordinator"));
        }
        self.last_good = now;
        self.known.saw(&look, now);
        let wrong = self.known.untrue(&look, began);
        self.last_look = Some((began, look));
        match wrong.first() {
            Some(words) => Err(Violation::new("status", words.clone())),
            None => Ok(()),
        }
    }

    /// Whether a coordinator is missing for too long that is possible.
    fn check_coordinator(&mut self, now: Time) -> Result<(), Violation> {
        if !self.known.is_able() {
            self.able_since = None;
            return Ok(());
        }
        let since = *self.able_since.get_or_insert(now);
        let late = now.saturating_sub(since.max(self.last_good));
        self.report.late_max = self.report.late_max.max(late);
        if late <= self.bound + LOOK_SLACK {
            return Ok(());
        }
        let words = format!(
            "no coordinator for {:.1} s although a majority of the voters lives and reaches each \
             other; the last look said: {}",
            late.as_secs_f64(),
            self.last_words
        );
        Err(Violation::new("coordinator", words))
    }

    fn flap(&mut self, now: Time) -> Result<(), Violation> {
        if self.cut.as_ref().is_some_and(Cut::flaps) && now >= self.flap_at {
            self.flap_at = now + FLAP_EVERY;
            self.flap_cut = !self.flap_cut;
            return self.obey();
        }
        Ok(())
    }

    /// Has the network be as it is said to be.
    pub(crate) fn obey(&mut self) -> Result<(), Violation> {
        let machines: BTreeSet<Machine> = self.bodies.keys().copied().collect();
        let cut = self.cut.as_ref();
        let ways = cut.map(|cut| cut.ways(&machines)).unwrap_or_default();
        let manner = cut.map_or(Manner::Drop, |cut| cut.manner);
        // While it flaps, it counts as cut.
        let shown = if cut.is_some_and(Cut::flaps) && !self.flap_cut {
            BTreeSet::new()
        } else {
            ways.clone()
        };
        if self.known.ways != ways {
            self.known.ways_since = self.now();
        }
        self.known.ways = ways;
        let done = self.site.network.cut(&shown, manner, self.outage);
        done.map_err(|error| Violation::tool(&error))
    }

    /// Lets every process go on, so that all of them can end.
    pub(crate) fn signal(&self, machine: Machine, signal: Signal) {
        if let Some(process) = self.bodies.get(&machine).and_then(|body| body.process.as_ref()) {
            process.signal(signal);
        }
    }

    /// A panic that a node logged.
    pub(crate) fn panics(&self) -> Option<String> {
        self.logs().into_iter().find_map(|(name, text)| {
            let line = text.lines().find(|line| line.contains("panicked at"))?;
            Some(format!("{name}: {line}"))
        })
    }

    fn logs(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(&self.site.folder).into_iter().flatten().flatten();
        let logs = entries.filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let text = fs::read(entry.path()).ok().filter(|_| name.ends_with(".log"))?;
            Some((name, String::from_utf8_lossy(&text).into_owned()))
        });
        logs.collect()
    }

    /// The last lines of every log.
    pub(crate) fn tails(&self) -> String {
        let tails = self.logs().into_iter().map(|(name, text)| {
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
            format!("== {name}\n{}\n", last.join("\n"))
        });
        tails.collect()
    }
}

/// A node as it is called in words.
pub(crate) fn name(node: &Known) -> String {
    node.id.map_or_else(|| "not let in yet".to_owned(), |id| format!("n{id}"))
}
