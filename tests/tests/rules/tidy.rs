//! Style as a test: every rule fires on what it names, and on nothing in the repository.

use fruitnode_tests::repo_root;
use fruitnode_tests::tidy::{FILE_BYTES_MAX, RULES, TidyFile, files};

/// A file that breaks no rule.
fn clean() -> TidyFile {
    let text = "//! Does one thing.\n\nfn f() -> u8 {\n    1\n}\n".to_owned();
    TidyFile { path: "node/src/thing.rs".to_owned(), bytes: text.len() as u64, text }
}

/// Names of the rules that object, in order.
fn objecting(file: &TidyFile) -> Vec<&'static str> {
    RULES.iter().filter(|(_, rule)| !rule(file).is_empty()).map(|(name, _)| *name).collect()
}

fn with(line: &str) -> TidyFile {
    let clean = clean();
    TidyFile { text: format!("{}{line}\n", clean.text), ..clean }
}

#[test]
fn a_clean_file_breaks_no_rule() {
    assert!(objecting(&clean()).is_empty());
}

#[test]
fn every_rule_fires_on_what_it_names() {
    let broken = [
        ("width", with(&format!("// {}", "é".repeat(98)))),
        ("length", with(&"// line\n".repeat(500))),
        ("module docs", TidyFile { text: "fn f() {}\n".to_owned(), ..clean() }),
        ("leftover", with(concat!("// TO", "DO: later"))),
        ("leftover", with(concat!("fn g() { to", "do!() }"))),
        ("machine path", with(concat!("const P: &str = \"/wo", "rk/x\";"))),
        ("machine path", with(concat!("const P: &str = \"/t", "mp/x\";"))),
        ("name", TidyFile { path: "node/src/utils.rs".to_owned(), ..clean() }),
        ("name", TidyFile { path: "node/src/common/thing.rs".to_owned(), ..clean() }),
        ("ignored test", with(concat!("#[ign", "ore]"))),
        ("size", TidyFile { bytes: FILE_BYTES_MAX + 1, ..clean() }),
    ];
    for (rule, file) in &broken {
        assert_eq!(objecting(file), [*rule], "{file:?}");
    }
    for (rule, _) in RULES {
        assert!(broken.iter().any(|(fired, _)| *fired == rule), "`{rule}` is never seen to fire");
    }
}

#[test]
fn what_only_looks_like_a_breach_is_none() {
    let innocent = [
        with(&format!("// {}", "é".repeat(97))),
        with("// a/b/work/c and target/tmp are parts of longer paths"),
        with(concat!("// METHO", "DOLOGY")),
    ];
    for file in &innocent {
        assert!(objecting(file).is_empty(), "{:?}: {file:?}", objecting(file));
    }
}

#[test]
fn the_repository_is_tidy() {
    let Some(files) = files(&repo_root()).unwrap() else {
        fruitnode_tests::say_skipped("this is no git repository, so that its files cannot be told");
        return;
    };
    assert!(
        files.iter().any(|file| file.path == "tests/tests/rules/tidy.rs"),
        "the files are not seen"
    );
    let mut objections = Vec::new();
    for file in &files {
        for (name, rule) in RULES {
            for (line, why) in rule(file) {
                objections.push(format!("{}:{line}: {name}: {why}", file.path));
            }
        }
    }
    assert!(objections.is_empty(), "\n{}", objections.join("\n"));
}
