//! Configuration as a user meets it: which of flag, environment and files counts, and how a mistake
//! in one of them is told.

use std::fs;

use fruitnode_tests::sandbox::{Ended, Sandbox};
use serde_json::Value;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_under-test"))
}

fn write(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.path(name);
    fs::create_dir_all(path.parent().expect("it lies in the sandbox")).expect("room for it");
    fs::write(path, text).expect("room for it");
}

/// Runs `config show -o json` with more words and variables.
fn shown(sandbox: &Sandbox, words: &[&str], variables: &[(&str, &str)]) -> Value {
    let mut command = sandbox.command(["config", "show", "-o", "json"]);
    command.args(words).envs(variables.iter().copied());
    Ended::of(command).done().json()
}

/// A setting's value in words, and where it comes from.
fn setting(shown: &Value, table: &str, key: &str) -> (String, String) {
    let all = shown["settings"].as_array().expect("a list");
    let found = all.iter().find(|setting| setting["table"] == table && setting["key"] == key);
    let found = found.unwrap_or_else(|| panic!("no {key} in [{table}]: {shown:#}"));
    let words = found["value"].as_array().map(|words| {
        words.iter().map(|word| word.as_str().expect("text")).collect::<Vec<_>>().join(" ")
    });
    let origin = found["place"].as_str().or_else(|| found["origin"].as_str()).expect("text");
    (words.unwrap_or_default(), origin.to_owned())
}

fn pair(value: &str, origin: &str) -> (String, String) {
    (value.to_owned(), origin.to_owned())
}

#[test]
fn a_flag_counts_more_than_the_environment_and_that_more_than_any_file() {
    let sandbox = sandbox();
    let user = sandbox.path(".config/fruitnode/config.toml").display().to_string();
    let pca = |words: &[&str], variables: &[(&str, &str)]| {
        setting(&shown(&sandbox, words, variables), "run", "pca")
    };
    assert_eq!(pca(&[], &[]), pair("0.95", "default"));
    write(&sandbox, ".config/fruitnode/config.toml", "[run]\npca = 3\nlimit = 9\n");
    assert_eq!(pca(&[], &[]), pair("3", &format!("{user}:2")));
    write(&sandbox, "fruitnode.toml", "[run]\n\npca = 0.5\n");
    write(&sandbox, "job.toml", "[run]\npca = 7\n");
    assert_eq!(pca(&[], &[]), pair("0.5", "fruitnode.toml:3"));
    assert_eq!(pca(&["-c", "job.toml"], &[]), pair("7", "job.toml:2"));
    assert_eq!(pca(&["-c", "job.toml"], &[("FRUITNODE_PCA", "2")]), pair("2", "FRUITNODE_PCA"));
    assert_eq!(pca(&[], &[("FRUITNODE_PCA", "")]), pair("0.5", "fruitnode.toml:3"));
    assert_eq!(pca(&[], &[("FRUITNODE_CONFIG", "job.toml")]), pair("7", "job.toml:2"));
    let all = shown(&sandbox, &[], &[]);
    assert_eq!(setting(&all, "run", "limit"), pair("9", &format!("{user}:3")));
    assert_eq!(setting(&all, "terminal", "output"), pair("json", "flag"));
}

#[test]
fn a_job_does_what_the_files_say_and_a_flag_overrules_them() {
    let sandbox = sandbox();
    sandbox.draw("in", 2);
    write(
        &sandbox,
        "fruitnode.toml",
        "[run]\nfrom = 'in'\nto = 'out'\npca = 3\nrecursive = true\nrows-per-part = 4\n\
         [machine]\nthreads = 1\n[terminal]\noutput = 'json'\n",
    );
    let summary = sandbox.run("run").done().json();
    assert_eq!((&summary["components"], &summary["threads"]), (&3.into(), &1.into()));
    assert!(sandbox.path("out/features/part-00003.parquet").exists());
    let summary = sandbox.run("run --to other --pca 2").done().json();
    assert_eq!(summary["components"], 2);
    let mut command = sandbox.command(["run", "--to", "third", "--threads", "2"]);
    command.env("FRUITNODE_PCA", "4").env("FRUITNODE_THREADS", "1").env("FRUITNODE_TO", "fourth");
    let summary = Ended::of(command).done().json();
    assert_eq!((&summary["components"], &summary["threads"]), (&4.into(), &2.into()));
    assert!(!sandbox.path("fourth").exists(), "no result goes where only the environment says");
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_line_before_anything_is_done() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    let table = [
        ("[run]\npcaa = 3", "did you mean `pca`?"),
        ("[run]\nrows-per-part = 0", "rows-per-part"),
        ("[run]\nrows-per-part = 2.5", "rows-per-part"),
        ("[run]\nrecursive = 'no'", "true or false"),
        ("[run]\npca = 'many'", "--pca"),
        ("[machine]\nthreads = -1", "threads"),
        ("[machine]\nkernel = 'sse9'", "--kernel"),
        ("[terminal]\noutput = 'xml'", "[possible values: table, json]"),
        ("[terminal]\nconfig = 'other.toml'", "config"),
        ("[run]\ndry-run = true", "dry-run"),
        ("[storage]\nsecret-access-key = 'abc123'", "storage"),
    ];
    for (text, says) in table {
        write(&sandbox, "fruitnode.toml", text);
        let words = sandbox.run("run --from in --to out").refused(2);
        assert!(words.contains(says), "{text}: {words}");
        let line = if says == "storage" { 1 } else { 2 };
        let at = (line..=2).any(|line| words.contains(&format!("fruitnode.toml:{line}")));
        assert!(at, "{text}: {words}");
        assert!(!words.contains("abc123"), "{words}");
        assert!(!sandbox.path("out").exists());
    }
    fs::remove_file(sandbox.path("fruitnode.toml")).unwrap();
    let words = sandbox.run("run --from in --to out --config absent.toml").refused(5);
    assert!(words.contains("absent.toml"), "{words}");
}

#[test]
fn a_wrong_value_in_the_environment_is_told_with_its_variable() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    for (name, word) in [("FRUITNODE_THREADS", "many"), ("FRUITNODE_PCA", "1.5")] {
        let mut command = sandbox.command(["run", "--from", "in", "--to", "out"]);
        let words = Ended::of({
            command.env(name, word);
            command
        });
        let words = words.refused(2);
        assert!(words.contains(name) && words.contains(word), "{words}");
    }
    let mut command = sandbox.command(["run", "--from", "in", "--to", "out", "--pca", "1.5"]);
    command.env("FRUITNODE_PCA", "2");
    let words = Ended::of(command).refused(2);
    assert!(!words.contains("FRUITNODE_PCA"), "the mistake is on the command line: {words}");
}

#[test]
fn silence_and_talk_are_settled_by_who_is_closer() {
    let sandbox = sandbox();
    write(&sandbox, "fruitnode.toml", "[terminal]\nquiet = true\n");
    let all = shown(&sandbox, &["-v"], &[]);
    assert_eq!(setting(&all, "terminal", "verbose"), pair("1", "flag"));
    sandbox.run("config show -q -v").refused(2);
    let mut command = sandbox.command(["config", "show", "-v"]);
    command.env("FRUITNODE_QUIET", "1");
    Ended::of(command).done();
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let sandbox = sandbox();
    let text = "[run]\nlabel-from = 'regex:^(\"[^/]+)\\d'\npca = 0.990\nmax-bad = \"5%\"\n\
                threads = 3\n[machine]\nbatch = 5\n";
    write(&sandbox, "fruitnode.toml", text);
    let first = sandbox.run("config show").done().stdout;
    assert!(first.contains("pca = 0.990") && first.contains("# size ="), "{first}");
    fs::remove_file(sandbox.path("fruitnode.toml")).unwrap();
    write(&sandbox, "fruitnode.toml", &first);
    assert_eq!(sandbox.run("config show").done().stdout, first);
    sandbox.run("config validate fruitnode.toml").done();
    let said = sandbox.run("config show --origin").done().stdout;
    assert!(said.contains("# fruitnode.toml:"), "{said}");
}

#[test]
fn a_file_is_checked_whatever_the_others_say_and_help_needs_none() {
    let sandbox = sandbox();
    write(&sandbox, "fruitnode.toml", "this is no TOML");
    write(&sandbox, "good.toml", "[run]\npca = 100\n");
    write(&sandbox, "bad.toml", "[run]\npca = 0\n");
    sandbox.run("config validate good.toml").done();
    let words = sandbox.run("config validate bad.toml").refused(2);
    assert!(words.contains("bad.toml:2") && words.contains("--pca"), "{words}");
    sandbox.run("config validate absent.toml").refused(5);
    let help = sandbox.run("run --help").done().stdout;
    assert!(help.contains("--pca") && help.contains("0.95"), "{help}");
    sandbox.run("config show").refused(2);
}
