//! What the hand types first, from other tools: one sentence that says how it is called here.

/// Words of other tools, and what does that here.
const HINTS: &[(&[&str], &str)] = &[
    (&["--force", "--replace"], "--overwrite replaces a result that is already there"),
    (&["--json", "--format", "--output-format"], "-o json prints JSON"),
    (&["--workers", "--jobs", "--num-workers"], "--threads N sets the number of compute threads"),
    (&["--batch-size"], "--batch N sets the number of photographs per batch"),
    (&["--include", "--glob", "--ext"], "--pattern GLOB selects the files to use as photographs"),
    (
        &["--wait", "--follow", "--watch"],
        "fruitnode job watch ID follows a job; fruitnode status --watch the cluster",
    ),
    (
        &["serve", "server", "daemon", "up"],
        "fruitnode init creates a cluster; fruitnode start runs a node",
    ),
    (&["version"], "fruitnode --version prints the version"),
    (&["ls", "list", "ps"], "use fruitnode job list or fruitnode node list"),
    (
        &["logs", "log"],
        "a node logs to its standard error; fruitnode job explain ID shows what happened in a job",
    ),
    (&["ui", "dashboard", "web", "top"], "fruitnode status --watch shows the cluster live"),
    (
        &["stop", "kill", "shutdown", "down"],
        "Ctrl-C or SIGTERM stops a node; fruitnode leave removes it for good; fruitnode job cancel \
         ID cancels a job",
    ),
    (&["submit", "cancel", "watch", "explain"], "this is a subcommand of fruitnode job"),
    (&["drain", "remove"], "this is a subcommand of fruitnode node"),
    (
        &["predict", "infer", "apply", "score"],
        "fruitnode transform --model RESULT/model projects new photographs with a fitted model",
    ),
    (
        &["fit", "train", "extract", "pca"],
        "fruitnode run --from PLACE --to PLACE does the whole job",
    ),
    (&["check", "validate"], "fruitnode verify RESULT checks a result"),
    (&["pull", "download"], "fruitnode model pull SOURCE downloads weights"),
];

/// Formats that `-o` takes: whoever names another thing means the place of the result.
const FORMATS: [&str; 2] = ["table", "json"];

/// The sentence about an argument that no command takes so.
pub(super) fn argument(word: &str) -> Option<&'static str> {
    let bare = word.split('=').next().unwrap_or(word);
    let named = "name source and target with flags: --from PLACE --to PLACE (a folder, or \
                 s3://BUCKET/PREFIX)";
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
    (is_output && !FORMATS.contains(&value)).then_some(
        "--output sets the output format, table or json; name the target of the result with --to \
         PLACE",
    )
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
