//! What the hand types first, from other tools: one sentence that says how it is called here.

/// Words of other tools, and what does that here.
const HINTS: &[(&[&str], &str)] = &[
    (&["--force", "--replace"], "--overwrite takes the place of a result that is there"),
    (&["--json", "--format", "--output-format"], "-o json prints a document for programs"),
    (&["--workers", "--jobs", "--num-workers"], "--threads N says how many threads compute"),
    (&["--batch-size"], "--batch N says how many photographs a thread is given at a time"),
    (&["--include", "--glob", "--ext"], "--pattern GLOB says which files are photographs"),
    (&["--wait", "--follow", "--watch"], "job watch ID follows a job; status --watch the cluster"),
    (&["version"], "fruitnode --version prints the release"),
    (&["ls", "list", "ps"], "fruitnode job list and fruitnode node list show what there is"),
    (
        &["logs", "log"],
        "a node logs on standard error of its own process; fruitnode job explain ID tells of a job",
    ),
    (&["ui", "dashboard", "web", "top"], "fruitnode status --watch shows the cluster at work"),
    (
        &["stop", "kill", "shutdown", "down"],
        "Ctrl-C or SIGTERM stops a node; fruitnode leave takes it out for good; fruitnode job \
         cancel ID ends a job",
    ),
    (&["submit", "cancel", "watch", "explain"], "that is a job's: fruitnode job …"),
    (&["drain", "remove"], "that is a node's: fruitnode node …"),
    (
        &["predict", "infer", "apply", "score"],
        "fruitnode transform --model DIR/model puts new photographs through a fitted pipeline",
    ),
    (
        &["fit", "train", "extract", "pca"],
        "fruitnode run --from PLACE --to PLACE does the whole job",
    ),
    (&["check", "validate"], "fruitnode verify RESULT checks a result from its own files"),
    (&["pull", "download"], "fruitnode model pull SOURCE fetches weights"),
];

/// Formats that `-o` takes: whoever names another thing means the place of the result.
const FORMATS: [&str; 2] = ["table", "json"];

/// The sentence about an argument that no command takes so.
pub(super) fn argument(word: &str) -> Option<&'static str> {
    let bare = word.split('=').next().unwrap_or(word);
    let named =
        "places are given by name: --from PLACE --to PLACE (a folder, or s3://BUCKET/PREFIX)";
    known(bare).or_else(|| (!bare.starts_with('-')).then_some(named))
}

/// The sentence about a command that is none.
pub(super) fn command(word: &str) -> Option<&'static str> {
    known(word)
}

fn known(word: &str) -> Option<&'static str> {
    HINTS.iter().find(|(words, _)| words.contains(&word)).map(|(_, hint)| *hint)
}

/// The sentence about a value that an option does not take.
pub(super) fn value(option: &str, value: &str) -> Option<&'static str> {
    let is_output = option.starts_with("--output") || option.starts_with("-o");
    (is_output && !FORMATS.contains(&value))
        .then_some("--output is the form of what is printed: --to PLACE says where the result goes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_tools_call_it_leads_to_what_it_is_called_here() {
        for (word, says) in [
            ("--json", "-o json"),
            ("--force", "--overwrite"),
            ("--workers=4", "--threads"),
            ("./photos", "--from PLACE --to PLACE"),
            ("photos", "--from PLACE --to PLACE"),
        ] {
            assert!(argument(word).is_some_and(|hint| hint.contains(says)), "{word}");
        }
        for (word, says) in [("version", "--version"), ("ls", "job list"), ("stop", "Ctrl-C")] {
            assert!(command(word).is_some_and(|hint| hint.contains(says)), "{word}");
        }
        assert_eq!(argument("--nonsense"), None);
        assert_eq!(command("nonsense"), None);
        assert!(value("--output <OUTPUT>", "result").is_some());
        assert_eq!(value("--color <WHEN>", "red"), None);
    }
}
