//! A temporary folder with photographs and results, and the program run in it as a user would.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A folder that goes with the test, and the program.
#[derive(Debug)]
pub struct Sandbox {
    program: PathBuf,
    dir: TempDir,
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Sandbox {
    /// An empty one. `program` is `env!("CARGO_BIN_EXE_under-test")`, which only a test knows.
    pub fn new(program: &str) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        Self { program: program.into(), dir }
    }

    /// Where something lies in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Draws photographs of eight kinds of fruit.
    pub fn draw(&self, name: &str, per_kind: u32) -> PathBuf {
        let dir = self.path(name);
        fruitnode_vision::demo::draw_photographs(&dir, per_kind, &mut |_, _| {})
            .expect("room to draw");
        dir
    }

    /// The program with arguments, in the sandbox, without the caller's settings.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.dir.path());
        // The configuration files of whoever runs the tests are not heeded.
        command.env("XDG_CONFIG_HOME", self.path(".config"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FRUITNODE_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs the program to its end; the arguments are split at spaces.
    pub fn run(&self, line: &str) -> Ended {
        Ended::of(self.command(line.split_whitespace()))
    }

    /// Starts the program with its output thrown away.
    pub fn start(&self, line: &str) -> Child {
        let mut command = self.command(line.split_whitespace());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program starts")
    }

    /// Name and SHA-256 of every file below a folder, but what lies below `_run/`.
    pub fn digests(&self, name: &str) -> BTreeMap<String, String> {
        let root = self.path(name);
        let mut found = BTreeMap::new();
        for file in files(&root) {
            let name = file.strip_prefix(&root).expect("below it").display().to_string();
            if !name.starts_with("_run/") {
                found.insert(name, sha256(&fs::read(&file).expect("a readable file")));
            }
        }
        found
    }

    /// Every name in the sandbox's top folder, hidden ones too.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).expect("the sandbox is there");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("a readable entry").file_name().display().to_string())
            .collect();
        names.sort();
        names
    }
}

impl Ended {
    /// Runs a command to its end.
    pub fn of(mut command: Command) -> Self {
        let output = command.output().expect("the program starts");
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Itself, if it ended well.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// The error in words, if it ended with this code.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self.stderr
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Every file below a folder, in order.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
