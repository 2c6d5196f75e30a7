//! Who holds a target, as the lock there says, and whether that is somebody who lives.

use std::fs;
use std::path::Path;

use rustix::system::uname;
use serde::{Deserialize, Serialize};

/// Version of this form.
const VERSION: u32 = 1;

/// The process that holds a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    schema_version: u32,
    /// The job it holds the target for.
    pub(super) job: String,
    host: String,
    pid: u32,
    /// When the process started, in ticks after the machine did. With it no later process of the
    /// same number is taken for this one.
    started: Option<u64>,
    /// This start of the machine.
    boot: Option<String>,
    /// Where the number of the process counts: containers have their own.
    pid_namespace: Option<String>,
    /// Grows with every renewal, so that each has another `ETag`.
    pub(super) beat: u64,
    /// Whether one of the job's nodes ends it and clears its work away: the others write no more.
    #[serde(default)]
    pub(super) ended: bool,
}

/// What is to be done about a lock that somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is our own.
    Ours,
    /// The process is dead: the lock may be taken over.
    Dead,
    /// Whether the process lives is seen only by watching.
    Unknown,
}

impl Holder {
    /// This process, for a job.
    pub(super) fn this(job: &str) -> Self {
        let pid = std::process::id();
        let text = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let namespace = fs::read_link("/proc/self/ns/pid").ok();
        Self {
            schema_version: VERSION,
            job: job.to_owned(),
            host: uname().nodename().to_string_lossy().into_owned(),
            pid,
            started: started(pid),
            boot: text("/proc/sys/kernel/random/boot_id"),
            pid_namespace: namespace.map(|path| path.to_string_lossy().into_owned()),
            beat: 0,
            ended: false,
        }
    }

    /// The bytes of the lock.
    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("strings and numbers are always JSON")
    }

    /// What a lock says. One that cannot be read belongs to nobody we know.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|held: &Self| held.schema_version == VERSION)
    }

    /// In words, for whoever has to wait.
    pub(super) fn words(held: Option<&Self>) -> String {
        match held {
            Some(held) => format!("job {}, process {} on {}", held.job, held.pid, held.host),
            None => "unknown process".to_owned(),
        }
    }

    /// What is to be done about the lock that `held` has. `started` says when a process of this
    /// machine started, if there is one of this number.
    pub(super) fn judge(&self, held: Option<&Self>, started: impl Fn(u32) -> Option<u64>) -> Claim {
        let Some(held) = held else {
            return Claim::Unknown;
        };
        if held.job == self.job {
            return Claim::Ours;
        }
        let here = self.boot.is_some() && self.boot == held.boot;
        let counted = self.pid_namespace.is_some() && self.pid_namespace == held.pid_namespace;
        match (here && counted, held.started) {
            (true, Some(since)) if started(held.pid) != Some(since) => Claim::Dead,
            _ => Claim::Unknown,
        }
    }
}

/// When a process started, in ticks after the machine did, if there is one of this number.
pub(super) fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The second field is the name, which may hold spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    // One that is dead and not yet buried does nothing any more.
    let state = fields.next()?;
    let ticks = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use super::{Claim, Holder, started};

    fn holder(job: &str) -> Holder {
        Holder {
            schema_version: 1,
            job: job.to_owned(),
            host: "orchard".to_owned(),
            pid: 7,
            started: Some(100),
            boot: Some("boot".to_owned()),
            pid_namespace: Some("pid:[1]".to_owned()),
            beat: 0,
            ended: false,
        }
    }

    #[test]
    fn only_a_process_that_is_surely_dead_loses_its_lock_at_once() {
        let (me, held) = (holder("me"), holder("other"));
        assert_eq!(me.judge(Some(&held), |_| None), Claim::Dead);
        assert_eq!(me.judge(Some(&held), |_| Some(101)), Claim::Dead, "a later process");
        assert_eq!(me.judge(Some(&held), |_| Some(100)), Claim::Unknown);
        assert_eq!(me.judge(None, |_| None), Claim::Unknown);
        let elsewhere = [
            Holder { boot: Some("another".to_owned()), ..held.clone() },
            Holder { boot: None, ..held.clone() },
            Holder { pid_namespace: Some("pid:[2]".to_owned()), ..held.clone() },
            Holder { pid_namespace: None, ..held.clone() },
            Holder { started: None, ..held },
        ];
        for held in elsewhere {
            assert_eq!(me.judge(Some(&held), |_| None), Claim::Unknown, "{held:?}");
        }
        let nowhere = Holder { boot: None, ..me };
        let held = Holder { boot: None, ..holder("other") };
        assert_eq!(nowhere.judge(Some(&held), |_| None), Claim::Unknown, "no system tells");
    }

    #[test]
    fn a_lock_of_the_same_job_is_ours_whatever_else_it_says() {
        let held = Holder { beat: 9, pid: 1, ..holder("me") };
        assert_eq!(holder("me").judge(Some(&held), |_| None), Claim::Ours);
    }

    #[test]
    fn a_lock_says_who_holds_it_and_nonsense_says_nothing() {
        let me = Holder::this("job-1");
        assert_eq!(Holder::decode(&me.encode()).as_ref(), Some(&me));
        assert!(Holder::words(Some(&me)).contains("job job-1, process"));
        for bytes in [&b""[..], b"{}", b"\xFF", b"[1]"] {
            assert_eq!(Holder::decode(bytes), None);
        }
    }

    #[test]
    fn this_process_lives() {
        if started(std::process::id()).is_none() {
            fruitnode_env::skipped::say("there is no /proc here");
            return;
        }
        assert_eq!(started(u32::MAX), None);
    }
}
