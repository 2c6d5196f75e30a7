//! What is read from a file, and how each fault in one is told.

use std::fs;

use super::{Config, ConfigError, Kind, Known, Layer, read};

fn known() -> Known {
    let mut known = Known::default();
    for (table, key, kind) in [
        ("run", "pca", Kind::Text),
        ("run", "limit", Kind::Number),
        ("run", "recursive", Kind::Switch),
        ("run", "threads", Kind::Number),
        ("machine", "threads", Kind::Number),
        ("model.pull", "mirror", Kind::List),
        ("storage", "endpoint", Kind::Text),
        ("storage", "token-file", Kind::Text),
    ] {
        known.add(table, key, kind);
    }
    known
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.toml");
    fs::write(&path, text).unwrap();
    read(Layer::Project, &path, &known()).map(Config::from)
}

fn refused(text: &str) -> String {
    parse(text).map(|_| ()).expect_err(text).to_string()
}

fn word(config: &Config, tables: &[&str], key: &str) -> Option<(String, usize)> {
    let tables: Vec<_> = tables.iter().map(|table| (*table).to_owned()).collect();
    let (value, at) = config.find(&tables, key)?;
    Some((value.words.join(" "), at.line))
}

#[test]
fn values_are_taken_as_they_are_written_with_their_lines() {
    let config = parse(
        "# mine\n[run]\npca = 0.950\nlimit = 1_000\nrecursive = false\n\n[machine]\nthreads=2\n\
         [model.pull]\nmirror = [\"a\",\n  \"b\"]\n[storage]\ntoken-file = 't'\n",
    )
    .unwrap();
    assert_eq!(word(&config, &["run"], "pca"), Some(("0.950".to_owned(), 3)));
    assert_eq!(word(&config, &["run"], "limit"), Some(("1000".to_owned(), 4)));
    assert_eq!(word(&config, &["run"], "recursive"), Some(("false".to_owned(), 5)));
    assert_eq!(word(&config, &["run", "machine"], "threads"), Some(("2".to_owned(), 8)));
    assert_eq!(word(&config, &["model.pull"], "mirror"), Some(("a b".to_owned(), 10)));
    assert_eq!(word(&config, &["run"], "size"), None);
    let config = parse("[run]\npca = 1.0").unwrap();
    assert_eq!(word(&config, &["run"], "pca"), Some(("1.0".to_owned(), 2)), "a share, not one");
}

#[test]
fn a_command_s_own_table_counts_more_and_an_earlier_file_counts_most() {
    let both = parse("[machine]\nthreads = 1\n[run]\nthreads = 2").unwrap();
    let shared = parse("[machine]\nthreads = 3").unwrap();
    let tables = ["run", "machine"];
    assert_eq!(word(&both, &tables, "threads").unwrap().0, "2");
    let files = shared.files().iter().chain(both.files()).cloned().collect();
    assert_eq!(word(&Config { files }, &tables, "threads").unwrap().0, "3");
}

#[test]
fn every_fault_names_file_line_and_key_and_what_was_meant() {
    for (text, line, says) in [
        ("[run]\npcaa = 3", 2, "did you mean `pca`?"),
        ("[run]\nPCA = 3", 2, "did you mean `pca`?"),
        ("\n[rum]\npca = 3", 2, "did you mean `[run]`?"),
        ("[run]\nendpoint = 'x'", 2, "did you mean `endpoint` in `[storage]`?"),
        ("[run]\ncolour = 'x'", 2, "config show"),
        ("pca = 3", 1, "`[run]`"),
        ("[run]\n\nlimit = 'many'", 3, "must be a number, but is text"),
        ("[run]\nrecursive = 'yes'", 2, "must be true or false, but is text"),
        ("[run]\npca = false", 2, "must be text, but is true or false"),
        ("[run]\npca = 2026-01-31", 2, "put it in quotes"),
        ("[run]\npca = [1]", 2, "a list"),
        ("[model.pull]\nmirror = [[1]]", 2, "a list of strings"),
        ("[run]\npca = 1\npca = 2", 3, "TOML"),
        ("[run\npca = 1", 1, "TOML"),
        ("[run]\npca = ", 2, "TOML"),
        ("[[run]]\npca = 1", 1, "run"),
        ("[model]\nmirror = 'x'", 2, "mirror"),
    ] {
        let words = refused(text);
        assert!(words.contains(&format!("f.toml:{line}:")), "{text}: {words}");
        assert!(words.contains(says), "{text}: {words}");
    }
}

#[test]
fn a_secret_in_words_is_refused_and_not_repeated() {
    for text in [
        "[storage]\nsecret_access_key = 'abc123'",
        "[run]\ntoken = 'abc123'",
        "aws_access_key_id = 'abc123'",
        "[storage]\nendpoint = 'https://me:abc123@store.example'",
    ] {
        let words = refused(text);
        assert!(words.contains("secret") && !words.contains("abc123"), "{words}");
    }
    parse("[storage]\nendpoint = 'https://store.example/a:b@c'").unwrap();
}

#[test]
fn what_is_no_file_of_text_is_told_from_one_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("absent.toml");
    let error = read(Layer::Named, &missing, &known()).unwrap_err();
    assert!(matches!(error, ConfigError::Missing { .. }), "{error}");
    let error = read(Layer::Named, folder.path(), &known()).unwrap_err().to_string();
    assert!(error.contains("is a folder"), "{error}");
    for (bytes, says) in [(vec![0xff, 0xfe], "UTF-8"), (vec![b'#'; 2 << 20], "1 MiB")] {
        let path = folder.path().join("f.toml");
        fs::write(&path, bytes).unwrap();
        let error = read(Layer::Named, &path, &known()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
