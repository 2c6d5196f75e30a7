//! What the program answers to wrong uses, word for word, against a recording that people read as a
//! whole: `tests/data/wrong_uses.txt`. A case is a line that begins with `$`; what follows it is
//! written by the program, with `UPDATE_RECORDED=1` in the environment.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fruitnode_tests::repo_root;
use fruitnode_tests::sandbox::{Ended, Sandbox};

/// Set to write the recording instead of comparing with it.
const UPDATE: &str = "UPDATE_RECORDED";

/// Cases that run at the same time.
const SIDE_BY_SIDE: usize = 3;

/// What stands in the recording for a port that is taken.
const TAKEN: &str = "{taken-port}";

/// What stands in the recording for the folder where the program runs.
const HERE: &str = "{here}";

/// What a folder's name holds that keeps what the next run resumes from.
const KEPT: &str = ".fruitnode-";

/// What stands in the recording for the id of the cluster that is there.
const CLUSTER: &str = "{cluster}";

/// The target that is there for nobody: each case has one of its own, so that none waits for
/// another.
const OUT: &str = "out";

/// A line of the recording: one to keep as it is, or a case to run.
enum Entry {
    Prose(String),
    Case(String),
}

/// What the cases find, so that each can name something that is wrong in one way.
struct World {
    sandbox: Sandbox,
    taken: TcpListener,
    cluster: String,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_under-test"));
        sandbox.draw("photos", 1);
        for dir in ["empty", "notes", "broken", "taken", "theses", "cut", "other"] {
            fs::create_dir(sandbox.path(dir)).expect("a new folder");
        }
        let write =
            |name: &str, bytes: &[u8]| fs::write(sandbox.path(name), bytes).expect("room for it");
        write("note.txt", b"a note");
        write("notes/note.txt", b"a note");
        write("broken/a.jpg", b"not a photograph");
        write("taken/thesis.txt", b"dear");
        // No two cases may want one target at the same time.
        write("theses/thesis.txt", b"dear");
        write("other/node.json", b"{}");
        write("cut/report.html", b"");
        write("empty.safetensors", b"");
        write("garbage.safetensors", b"these bytes are not weights at all");
        write("token", b"FN1.not.a.token\n");
        write("nothing", b"");
        write("unknown-key.toml", b"[run]\npca = 50\nszie = 100\n");
        write("unknown-table.toml", b"[runs]\npca = 50\n");
        write("wrong-type.toml", b"[machine]\nthreads = \"many\"\n");
        write("wrong-value.toml", b"[run]\npca = \"most\"\n");
        write("syntax.toml", b"[run\npca = 50\n");
        sandbox.run("run --from photos --to result --pca 2 -q").done();
        sandbox.run("init --no-start --data-dir spare --listen 127.0.0.1:1").done();
        let node = "init --no-start --data-dir node --listen 127.0.0.1:1 --cluster orchard -o json";
        let founded = sandbox.run(node).done().json();
        let cluster = founded["cluster"].as_str().expect("an id").to_owned();
        Self { sandbox, taken: TcpListener::bind("127.0.0.1:0").expect("a free port"), cluster }
    }

    fn port(&self) -> String {
        self.taken.local_addr().expect("it is bound").port().to_string()
    }

    /// Runs a line as a shell would, without what this machine would add.
    fn run(&self, line: &str, out: &str) -> Ended {
        let own = |word: String| if word == OUT { out.to_owned() } else { word };
        let words = words(&line.replace(TAKEN, &self.port())).into_iter().map(own);
        let mut words = words.peekable();
        let mut variables = Vec::new();
        while let Some((name, value)) = words.peek().and_then(|word| variable(word)) {
            variables.push((name, value));
            words.next();
        }
        let mut command = self.sandbox.command(words);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_uppercase();
            let of_others = ["AWS_", "HF_", "XDG_", "RUST_"];
            if of_others.iter().any(|prefix| text.starts_with(prefix)) || text.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.sandbox.path(".home"));
        command.env("XDG_CONFIG_HOME", self.sandbox.path(".config"));
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(variables);
        command.stdin(Stdio::null());
        Ended::of(command)
    }

    /// A case as the recording has it.
    fn record(&self, line: &str, number: usize) -> String {
        let out = format!("{OUT}-{number}");
        let ended = self.run(line, &out);
        let code = ended.code.map_or_else(|| "signal".to_owned(), |code| code.to_string());
        let mut text = format!("exit {code}\n");
        for said in [&ended.stdout, &ended.stderr] {
            for line in said.lines() {
                let _ = writeln!(text, "{}", line.trim_end());
            }
        }
        let here =
            fs::canonicalize(self.sandbox.path("")).expect("it is there").display().to_string();
        let named = self.sandbox.path("").display().to_string();
        let text = text.replace(&here, HERE).replace(named.trim_end_matches('/'), HERE);
        let text = without_job(&text.replace(&out, OUT).replace("under-test", "fruitnode"));
        text.replace(&self.port(), TAKEN).replace(&self.cluster, CLUSTER)
    }
}

/// A text without the random name of a job, where it names what the next run resumes from.
fn without_job(text: &str) -> String {
    let mut parts = text.split(KEPT);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
        format!("{text}{KEPT}{{job}}{rest}")
    })
}

/// `NAME=value` before a command.
fn variable(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let upper = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    (!name.is_empty() && name.chars().all(upper)).then(|| (name.to_owned(), value.to_owned()))
}

/// The words of a line; single quotes hold one together, and may hold nothing.
fn words(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut word, mut quoted) = (None::<String>, false);
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => found.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    found.extend(word);
    found
}

/// The lines of the recording that people write: headings, and cases.
fn entries(text: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(case) = line.strip_prefix("$ ") {
            found.push(Entry::Case(case.to_owned()));
        } else if line.starts_with('#') {
            found.push(Entry::Prose(line.to_owned()));
        }
    }
    found
}

#[test]
fn every_wrong_use_is_answered_as_recorded() {
    let path: PathBuf = repo_root().join("tests/data/wrong_uses.txt");
    let recorded = fs::read_to_string(&path).unwrap();
    let entries = entries(&recorded);
    let world = World::new();
    let before = world.sandbox.names();
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(vec![String::new(); entries.len()]));
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(entry) = entries.get(at) else { break };
                    let Entry::Case(line) = entry else { continue };
                    let answer = world.record(line, at);
                    answers.lock().unwrap()[at] = answer;
                }
            });
        }
    });
    let mut now = String::new();
    for (entry, answer) in entries.iter().zip(answers.into_inner().unwrap()) {
        match entry {
            Entry::Prose(line) if line.starts_with("##") => writeln!(now, "\n{line}").unwrap(),
            Entry::Prose(line) => writeln!(now, "{line}").unwrap(),
            Entry::Case(line) => {
                assert!(!answer.starts_with("exit 0"), "{line} is no wrong use: {answer}");
                assert!(!answer.contains("panicked"), "{line}: {answer}");
                writeln!(now, "\n$ {line}\n{answer}").unwrap();
            }
        }
    }
    let now = now.trim().replace("\n\n\n", "\n\n") + "\n";
    let mut left = world.sandbox.names();
    // What a run finished before it failed stays, and it says so.
    left.retain(|name| !name.contains(KEPT));
    assert_eq!(left, before, "a wrong use left something behind");
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, now).unwrap();
        return;
    }
    for (old, new) in recorded.split("\n$ ").zip(now.split("\n$ ")) {
        assert_eq!(old, new, "recorded, and said now; {UPDATE}=1 records what is said now");
    }
    assert_eq!(recorded.len(), now.len(), "{UPDATE}=1 records what is said now");
}
