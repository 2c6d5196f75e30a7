//! What a hurried or hostile user gets: one error in words that names the thing, and its exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use fruitnode_tests::sandbox::{Ended, Sandbox};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_under-test"))
}

#[test]
fn every_wrong_flag_is_one_error_that_names_it() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    let table = [
        ("--from absent --to out", 5, "absent"),
        ("--from in --to out --pca 0", 2, "--pca"),
        ("--from in --to out --pca 1.5", 2, "1.5"),
        ("--from in --to out --pca many", 2, "many"),
        ("--from in --to out --standardize all", 2, "--standardize"),
        ("--from in --to out --pca off --like spark", 2, "--like"),
        ("--from in --to out --like matlab", 2, "matlab"),
        ("--from in --to out --label-from regex:(", 2, "--label-from"),
        ("--from in --to out --label-from sister", 2, "sister"),
        ("--from in --to out --pattern [", 2, "--pattern"),
        ("--from in --to out --pattern *.tiff", 5, "*.tiff"),
        ("--from in --to out --recursive=false", 5, "--recursive"),
        ("--from in --to out --pooling sum", 2, "sum"),
        ("--from in --to out --size 0", 2, "size"),
        ("--from in --to out --size big", 2, "big"),
        ("--from in --to out --resize nearest", 2, "nearest"),
        ("--from in --to out --preprocess caffeine", 2, "caffeine"),
        ("--from in --to out --mode append", 2, "append"),
        ("--from in --to out --kernel sse9", 2, "sse9"),
        ("--from in --to out --threads 0", 2, "--threads"),
        ("--from in --to out --batch 0", 2, "--batch"),
        ("--from in --to out --limit 0", 2, "--limit"),
        ("--from in --to out --modified-after soon", 2, "--modified-after"),
        ("--from in --to out --modified-before 2026-02-30", 2, "2026-02-30"),
        ("--from in --to out --modified-after 2099-01-01", 5, "--modified-after"),
        ("--from in --to out --price-per-hour=-1", 2, "--price-per-hour"),
        ("--from in --to out --price-per-hour=nan", 2, "--price-per-hour"),
        ("--from in --to out --rows-per-part 0", 2, "--rows-per-part"),
        ("--from in --to out --rows-per-part 70000", 2, "70000"),
        ("--from in --to out --weights absent.safetensors", 5, "absent.safetensors"),
        ("--from in --to out --weights hf://owner", 2, "hf://owner"),
        ("--from in --to out --weights ftp://a/b", 2, "ftp://a/b"),
        ("--from in --to out --weights http://example.org/w", 2, "without encryption"),
        ("--from in --to out --weights s3://bucket", 2, "does not name an object"),
        ("--from in --to out --offline --weights hf://a/none", 5, "--offline"),
        ("--from in --to in", 6, "in"),
        ("--from gs://bucket/photos --to out", 2, "gs://bucket/photos"),
        ("--from s3://Bucket/photos --to out", 2, "`Bucket`"),
        ("--from in --to s3:///out", 2, "--to"),
        ("--from s3://bucket/photos --to s3://bucket --region x", 6, "s3://bucket/"),
        ("--from in --to s3://bucket/out --endpoint http://10.0.0.1:9000", 2, "https://"),
        ("--from in --to s3://bucket/out --endpoint bucket.local", 2, "`bucket.local`"),
        ("--to out", 2, "--from"),
        ("in out", 2, "--from PLACE --to PLACE"),
        ("--from in --to out --json", 2, "-o json"),
        ("--from in --to out --force", 2, "--overwrite"),
        ("--from in --output out", 2, "--to PLACE"),
        ("--from in --to out --size 2049", 2, "2048"),
        ("--from in --to out --overwrite --mode error", 2, "--mode"),
        ("--from in --to out --exclude *", 5, "--exclude"),
        ("--from in --to out --exclude [", 2, "--exclude"),
        ("--from in --to out --exclude=", 2, "--exclude"),
        ("--from in --to out --sse rot13", 2, "--sse"),
        ("--from in --to out --sse AES256 --sse-kms-key-id k", 2, "only with --sse aws:kms"),
        ("--from in --to out --sse-kms-key-id=", 2, "--sse-kms-key-id"),
        ("--from in --to out --no-sign-request --profile p", 2, "--profile"),
        ("--from in --to out --pcaa 3", 2, "--pca"),
    ];
    for (flags, code, names) in table {
        let words = sandbox.run(&format!("run {flags}")).refused(code);
        assert!(words.contains(names), "{flags}: {words}");
        let lines = words.lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(lines, 1, "{flags}: {words}");
        assert!(!words.contains("panicked"), "{flags}: {words}");
        assert_eq!(sandbox.names(), ["in"], "{flags} left something behind");
    }
}

#[test]
fn programs_are_told_of_wrong_flags_as_of_every_other_error() {
    let sandbox = sandbox();
    for (line, names) in [
        ("run --from in --to out --pcaa 3 -o json", "--pcaa"),
        ("-ojson run --from in --to out --pca many", "many"),
        ("status --output=json --timeout soon", "soon"),
        ("node show -q -o json", "ID"),
        ("job -o json", "subcommand"),
    ] {
        let ended = sandbox.run(line);
        let said = ended.json();
        assert_eq!(said["schema_version"], 1, "{line}");
        assert_eq!((&said["outcome"], &said["code"]), (&"failed".into(), &"bad_flag".into()));
        assert!(said["message"].as_str().unwrap().contains(names), "{line}: {said}");
        assert!(!ended.refused(2).is_empty(), "{line}");
    }
    let mut command = sandbox.command(["status", "--timeout", "soon"]);
    command.env("FRUITNODE_OUTPUT", "json");
    assert_eq!(Ended::of(command).json()["code"], "bad_flag");
    // Who asks for help or for words gets them.
    assert_eq!(sandbox.run("status --timeout soon").stdout, "");
    assert!(sandbox.run("status -o json --help").done().stdout.contains("--watch"));
}

#[test]
fn what_the_hand_types_first_is_answered_with_what_it_is_called_here() {
    let sandbox = sandbox();
    for (line, says) in [
        ("version", "fruitnode --version"),
        ("ls", "fruitnode job list"),
        ("stop", "Ctrl-C"),
        ("ui", "status --watch"),
        ("jobs", "list"),
        ("job submit --from s3://bucket/in --to s3://bucket/out --threads 2", "no effect"),
        ("job submit --from s3://bucket/in --to s3://bucket/out --sse AES256", "--sse has no"),
    ] {
        let words = sandbox.run(line).refused(2);
        assert!(words.contains(says), "{line}: {words}");
        assert!(!words.contains("verify"), "{line}: {words}");
    }
}

#[test]
fn flattened_features_too_wide_for_a_pca_are_refused_before_a_photograph_is_read() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    let line = "run --from in --to out --pooling none --size 1024";
    let words = sandbox.run(line).refused(1);
    assert!(words.contains("--pooling avg") && words.contains("--pca off"), "{words}");
    sandbox.run("run --from in --to out --pooling none --size 96 --pca off").done();
}

#[test]
fn weights_that_are_none_are_refused_in_words() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"these are no weights at all"),
        ("huge-header", &u64::MAX.to_le_bytes()),
        ("cut", b"\x40\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F32\""),
    ] {
        fs::write(sandbox.path(name), bytes).unwrap();
        let words = sandbox.run(&format!("run --from in --to out --weights {name}")).refused(2);
        assert!(words.contains(name), "{words}");
    }
}

#[test]
fn no_photograph_that_can_be_read_is_an_error_that_says_what_is_wrong_with_them() {
    let sandbox = sandbox();
    fs::create_dir(sandbox.path("in")).unwrap();
    for name in ["a.jpg", "b.jpg", "c.png"] {
        fs::write(sandbox.path("in").join(name), b"nothing").unwrap();
    }
    for pca in ["2", "off"] {
        let line = format!("run --from in --to out --pca {pca}");
        let words = sandbox.run(&line).refused(5);
        assert!(words.contains("unknown_format") && words.contains("a.jpg"), "{words}");
        assert_eq!(sandbox.names(), ["in"]);
    }
}

#[test]
fn a_target_that_may_not_be_written_is_named() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    fs::create_dir(sandbox.path("locked")).unwrap();
    fs::set_permissions(sandbox.path("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = sandbox.command(["run", "--from", "in", "--to", "locked/out"]);
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere: the program runs as nobody.
        fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        command.uid(65_534).gid(65_534);
    }
    let words = Ended::of(command).refused(4);
    assert!(words.contains("locked"), "{words}");
}

#[test]
fn whoever_stops_reading_ends_a_command_without_a_word() {
    let sandbox = sandbox();
    for words in ["config show", "config show -o json", "man --help", "config show --origin"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_under-test"));
        command.args(words.split(' ')).current_dir(sandbox.path("."));
        let ended = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.is_empty(), "{words}: {said}");
        assert_ne!(ended.status.code(), Some(101), "{words}");
    }
}

#[test]
fn errors_are_json_for_those_who_asked_for_json() {
    let sandbox = sandbox();
    let ended = sandbox.run("run --from absent --to out -o json");
    assert_eq!(ended.code, Some(5));
    let document = ended.json();
    assert_eq!(document["outcome"], "failed");
    assert_eq!(document["code"], "input_missing");
    assert!(document["message"].as_str().unwrap().contains("absent"));
}

#[test]
fn the_demo_runs_verifies_and_never_takes_a_folder_that_is_not_its_own() {
    let sandbox = sandbox();
    let said = sandbox.run("demo here --per-kind 3").done().stdout;
    for name in ["scree.svg", "pca.csv", "report.json"] {
        assert!(said.contains(name), "{said}");
    }
    sandbox.run("demo here --per-kind 2").done();
    fs::create_dir_all(sandbox.path("mine/photographs")).unwrap();
    fs::write(sandbox.path("mine/photographs/only-copy.jpg"), b"dear").unwrap();
    let words = sandbox.run("demo mine").refused(6);
    assert!(words.contains("mine"), "{words}");
    assert!(sandbox.path("mine/photographs/only-copy.jpg").exists());
}

#[test]
fn a_shell_completes_commands_and_flags_and_no_hidden_command() {
    let sandbox = sandbox();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = sandbox.run(&format!("completion {shell}")).done().stdout;
        assert!(script.contains("dry-run"), "{shell}");
        assert!(!script.contains("decode-one"), "{shell}");
        fs::write(sandbox.path(shell), script).unwrap();
    }
    sandbox.run("completion csh").refused(2);
    let bash = |script: &str| {
        let mut command = Command::new("bash");
        command.args(["--norc", "-c", script]).current_dir(sandbox.path(""));
        Ended::of(command)
    };
    if Command::new("bash").arg("--version").output().is_err() {
        eprintln!("skipped: there is no bash here to try the script in");
        return;
    }
    assert_eq!(bash("bash -n bash").done().stderr, "");
    let complete = "source ./bash; COMP_WORDS=(fruitnode run --f); COMP_CWORD=2; \
                    _fruitnode fruitnode --f run; echo ${COMPREPLY[*]}";
    assert_eq!(bash(complete).done().stdout.trim(), "--from");
}

#[test]
fn the_manual_has_a_page_for_every_command_that_is_not_hidden() {
    let sandbox = sandbox();
    assert!(sandbox.run("man").done().stdout.contains(".TH fruitnode"));
    sandbox.run("man --to pages").done();
    let names: Vec<_> = fs::read_dir(sandbox.path("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().display().to_string())
        .collect();
    for page in ["fruitnode.1", "fruitnode-run.1", "fruitnode-config-show.1"] {
        assert!(names.iter().any(|name| name == page), "{page}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("decode-one")), "{names:?}");
    for name in names {
        let page = fs::read_to_string(sandbox.path("pages").join(&name)).unwrap();
        for section in ["EXIT STATUS", "ENVIRONMENT", "FILES"] {
            assert!(page.contains(&format!(".SH \"{section}\"")), "{name}: {section}");
        }
    }
    let page = fs::read_to_string(sandbox.path("pages/fruitnode-run.1")).unwrap();
    for says in ["EXAMPLES", "\\-\\-dry\\-run", "130 interrupted", "FRUITNODE_PCA", "HF_TOKEN"] {
        assert!(page.contains(says), "{says}: {page}");
    }
    let page = fs::read_to_string(sandbox.path("pages/fruitnode-status.1")).unwrap();
    assert!(page.contains("/client") && !page.contains("HF_TOKEN"), "{page}");
}

#[test]
fn a_log_filter_that_says_nothing_is_refused_in_words() {
    let sandbox = sandbox();
    let with = |filter: &str| {
        let mut command = sandbox.command(["verify", "absent"]);
        command.env("RUST_LOG", filter);
        Ended::of(command)
    };
    let words = with("fruitnode=loud").refused(2);
    assert!(words.contains("RUST_LOG") && words.contains("fruitnode=loud"), "{words}");
    for fine in ["", "debug", "fruitnode=debug,aws=warn"] {
        with(fine).refused(5);
    }
}

#[test]
fn verify_names_what_was_damaged() {
    let sandbox = sandbox();
    sandbox.draw("in", 2);
    sandbox.run("run --from in --to out --pca 2").done();
    sandbox.run("verify out").done();
    let csv = sandbox.path("out/pca.csv");
    let whole = fs::read(&csv).unwrap();
    let mut spoiled = whole.clone();
    *spoiled.last_mut().unwrap() ^= 1;
    fs::write(&csv, spoiled).unwrap();
    let ended = sandbox.run("verify out");
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("pca.csv"), "{}", ended.stdout);
    fs::write(&csv, whole).unwrap();
    fs::remove_file(sandbox.path("out/_SUCCESS")).unwrap();
    assert_ne!(sandbox.run("verify out").code, Some(0));
    let words = sandbox.run("verify absent").refused(5);
    assert!(words.contains("absent"), "{words}");
}
