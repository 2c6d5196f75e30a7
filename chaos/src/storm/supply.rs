//! The store: a process in a namespace of its own, told what to break and looked into past the
//! network.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::StormError;
use super::process::Process;

/// Longest object that is taken, bytes: all of them are small.
const OBJECT_BYTES_MAX: u64 = 64 << 20;

/// A store that serves.
#[derive(Debug)]
pub(crate) struct Supply {
    process: Process,
    input: std::process::ChildStdin,
    output: BufReader<std::process::ChildStdout>,
    stalled: bool,
}

impl Supply {
    /// Starts one with the photographs of a folder below `photographs/`; `on` runs it in its place.
    pub(crate) fn start(
        mut on: Command,
        program: &Path,
        (address, port): (&str, u16),
        photographs: &Path,
    ) -> Result<Self, StormError> {
        on.arg(program).args(["--console", "--listen", address, "--port", &port.to_string()]);
        on.arg("--seed").arg(photographs);
        on.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::start(on)?;
        let child = process.child();
        let input = child.stdin.take().expect("it was asked for");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut supply = Self { process, input, output, stalled: false };
        // It says where it is once it serves.
        supply.line()?;
        Ok(supply)
    }

    /// What lets a process in.
    pub(crate) fn environment(&mut self) -> Result<Vec<(String, String)>, StormError> {
        let lines = self.lines("environment")?.into_iter();
        let pair = |line: String| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Ok(lines.filter_map(pair).collect())
    }

    /// Bytes of an object, if it is there. Not to be asked while it is stalled.
    pub(crate) fn object(&mut self, key: &str) -> Result<Option<Vec<u8>>, StormError> {
        self.say(&format!("get {key}"))?;
        let length = self.line()?;
        if length == "none" {
            return Ok(None);
        }
        let length: u64 = length.parse().map_err(|_| broken(&length))?;
        let mut bytes = Vec::new();
        let mut of_object = (&mut self.output).take(length.min(OBJECT_BYTES_MAX));
        of_object.read_to_end(&mut bytes).map_err(|error| broken(&error.to_string()))?;
        Ok(Some(bytes))
    }

    /// Keys that begin so.
    pub(crate) fn keys(&mut self, prefix: &str) -> Result<Vec<String>, StormError> {
        self.lines(&format!("keys {prefix}"))
    }

    /// Answers 503 to every n-th request; 0 for none.
    pub(crate) fn slow_down_every(&mut self, every: u64) -> Result<(), StormError> {
        self.switch(&format!("slow-down-every {every}"))
    }

    /// Lets every request wait.
    pub(crate) fn delay_ms(&mut self, delay_ms: u64) -> Result<(), StormError> {
        self.switch(&format!("delay-ms {delay_ms}"))
    }

    /// Stops it where it stands, or lets it go on.
    pub(crate) fn stall(&mut self, stalled: bool) {
        self.process.signal(if stalled { Signal::STOP } else { Signal::CONT });
        self.stalled = stalled;
    }

    /// Whether it answers nobody.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled
    }

    fn switch(&mut self, command: &str) -> Result<(), StormError> {
        self.say(command)?;
        match self.line()? {
            line if line == "done" => Ok(()),
            line => Err(broken(&line)),
        }
    }

    fn lines(&mut self, command: &str) -> Result<Vec<String>, StormError> {
        self.say(command)?;
        let count = self.line()?;
        let count: usize = count.parse().map_err(|_| broken(&count))?;
        (0..count).map(|_| self.line()).collect()
    }

    fn say(&mut self, line: &str) -> Result<(), StormError> {
        writeln!(self.input, "{line}").map_err(|error| broken(&error.to_string()))
    }

    fn line(&mut self) -> Result<String, StormError> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) => Err(broken("it has ended")),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(broken(&error.to_string())),
        }
    }
}

fn broken(words: &str) -> StormError {
    StormError::Tool { what: "the store".to_owned(), words: words.to_owned() }
}
