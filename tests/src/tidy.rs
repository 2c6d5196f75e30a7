//! Style as a test: rules over the files of the repository.
//!
//! Each rule is a function of a path and a text that gives the lines it objects to; the tests try
//! each on a text it must object to, and then on every file. (The idea is TigerBeetle's.)

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// Longest line of Rust, in characters.
pub const WIDTH_MAX: usize = 100;

/// Longest Rust file, in lines.
pub const LINES_MAX: usize = 500;

/// Largest file of any kind, in bytes.
pub const FILE_BYTES_MAX: u64 = 1_000_000;

/// The default weights: a first run needs no download.
const WEIGHTS: &str = "node/vision/assets/weights/mobilenet_v2_fruits_100.safetensors";

/// A file of the repository.
#[derive(Debug, Clone)]
pub struct TidyFile {
    /// Path below the root, `/`-separated.
    pub path: String,
    /// What it holds; nothing where that is not text.
    pub text: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// What a rule objects to: the line, from 1, and why.
pub type Objection = (usize, String);

/// A rule: its name, and what it objects to.
pub type Rule = (&'static str, fn(&TidyFile) -> Vec<Objection>);

/// Every rule.
pub const RULES: [Rule; 8] = [
    ("width", width),
    ("length", length),
    ("module docs", module_docs),
    ("leftover", leftover),
    ("machine path", machine_path),
    ("name", name),
    ("ignored test", ignored_test),
    ("size", size),
];

/// The files git knows or would know below `root`; nothing where there is no repository.
pub fn files(root: &Path) -> io::Result<Option<Vec<TidyFile>>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").arg("-C").arg(root).args(arguments).output()?;
    if !listed.status.success() {
        return Ok(None);
    }
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        let place = root.join(path);
        // Deleted and not yet committed.
        let Ok(metadata) = fs::metadata(&place) else {
            continue;
        };
        let text = String::from_utf8(fs::read(&place)?).unwrap_or_default();
        files.push(TidyFile { path: path.to_owned(), text, bytes: metadata.len() });
    }
    Ok(Some(files))
}

/// Lines of Rust are at most [`WIDTH_MAX`] wide.
pub fn width(file: &TidyFile) -> Vec<Objection> {
    rust_lines(file, |line| line.chars().count() > WIDTH_MAX, "is too wide: break it")
}

/// Rust files have at most [`LINES_MAX`] lines.
pub fn length(file: &TidyFile) -> Vec<Objection> {
    let lines = file.text.lines().count();
    if !file.is_rust() || lines <= LINES_MAX {
        return Vec::new();
    }
    vec![(lines, format!("has more than {LINES_MAX} lines: find the seam"))]
}

/// Rust files open by saying what they are for.
pub fn module_docs(file: &TidyFile) -> Vec<Objection> {
    let opening = file.text.lines().find(|line| !line.starts_with("#!["));
    if !file.is_rust() || opening.is_some_and(|line| line.starts_with("//! ")) {
        return Vec::new();
    }
    vec![(1, "does not open with `//!` and its responsibility".to_owned())]
}

/// Nothing is left for later in silence.
pub fn leftover(file: &TidyFile) -> Vec<Objection> {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let calls = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("db", "g!(")];
    let found = |line: &str| {
        words.iter().any(|word| contains_word(line, word))
            || calls.iter().any(|call| line.contains(call))
    };
    lines(&file.text, found, "is left over: do it, or write down why not")
}

/// No path of somebody's machine.
pub fn machine_path(file: &TidyFile) -> Vec<Objection> {
    let everywhere = [concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/ro", "ot/")];
    let in_code = [concat!("/t", "mp/"), concat!("/ho", "me/")];
    let is_code = file.is_rust() || file.path.ends_with(".py");
    let found = |line: &str| {
        everywhere.iter().any(|path| contains_path(line, path))
            || (is_code && in_code.iter().any(|path| contains_path(line, path)))
    };
    lines(&file.text, found, "names a path of one machine")
}

/// Files are named after what they hold.
pub fn name(file: &TidyFile) -> Vec<Objection> {
    let empty = ["utils", "util", "common", "helpers", "helper", "misc", "manager"];
    let parts = file.path.split('/').map(|part| part.split('.').next().unwrap_or_default());
    let found = parts.into_iter().find(|part| empty.contains(part));
    found.map(|part| (1, format!("`{part}` says nothing of what it holds"))).into_iter().collect()
}

/// A test that is not run says why.
pub fn ignored_test(file: &TidyFile) -> Vec<Objection> {
    rust_lines(
        file,
        |line| line.trim() == concat!("#[ign", "ore]"),
        "does not say why it is ignored",
    )
}

/// Nothing heavy lies in the repository, but for what is meant to.
pub fn size(file: &TidyFile) -> Vec<Objection> {
    if file.bytes <= FILE_BYTES_MAX || file.path == WEIGHTS {
        return Vec::new();
    }
    vec![(1, format!("has {} bytes, more than {FILE_BYTES_MAX}", file.bytes))]
}

impl TidyFile {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

fn rust_lines(file: &TidyFile, found: impl Fn(&str) -> bool, why: &str) -> Vec<Objection> {
    if file.is_rust() { lines(&file.text, found, why) } else { Vec::new() }
}

fn lines(text: &str, found: impl Fn(&str) -> bool, why: &str) -> Vec<Objection> {
    let numbered = text.lines().enumerate().filter(|(_, line)| found(line));
    numbered.map(|(at, _)| (at + 1, why.to_owned())).collect()
}

fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// Whether an absolute path begins so, and not only a part of a longer one.
fn contains_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "._-~}>)/*$".contains(letter))
    })
}
