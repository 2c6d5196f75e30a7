//! A command that goes on beside its test: what it has said so far, a signal, and its end.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::Ended;

/// Looks at a command that is to end, before its test fails.
const LOOKS_MAX: u32 = 1_500;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// A command that runs.
#[derive(Debug)]
pub struct Client {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Client {
    /// Starts a command whose words go to these files.
    pub fn start(mut command: Command, out: PathBuf, err: PathBuf) -> Self {
        let file = |path| File::create(path).expect("a file");
        command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
        Self { child: command.spawn().expect("the program starts"), out, err }
    }

    /// Its standard output so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.out).expect("UTF-8")
    }

    /// Whether it answers Ctrl-C and SIGTERM itself: before that either one just ends it.
    pub fn heeds_signals(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("Linux tells of every process");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.expect("as Linux says it").trim(), 16);
        let caught = caught.expect("as Linux says it");
        let heeds = |signal: Signal| caught >> (signal.as_raw() - 1) & 1 == 1;
        heeds(Signal::INT) && heeds(Signal::TERM)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(mut self) -> Ended {
        for _ in 0..LOOKS_MAX {
            if let Some(status) = self.child.try_wait().expect("a child") {
                let read = |path| fs::read_to_string(path).expect("UTF-8");
                let (stdout, stderr) = (read(&self.out), read(&self.err));
                return Ended { code: status.code(), stdout, stderr };
            }
            sleep(LOOK);
        }
        panic!("a command does not end; it said: {}", self.said());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
