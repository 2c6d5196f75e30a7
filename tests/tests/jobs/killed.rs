//! A run that dies leaves nothing visible, and nothing that the next one does not clean.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use fruitnode_tests::sandbox::Sandbox;

const LINE: &str = "run --from in --to out --rows-per-part 8 --pca 3 --threads 1";

#[test]
fn a_killed_run_leaves_nothing_visible_and_the_next_one_cleans_up() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_under-test"));
    sandbox.draw("in", 10);
    sandbox.run(LINE).done();
    let expected = sandbox.digests("out");
    std::fs::remove_dir_all(sandbox.path("out")).unwrap();

    let mut killed_midway = 0;
    for wait_ms in [0, 5, 20, 50, 100, 150, 200, 300, 400, 600] {
        let mut run = sandbox.start(LINE);
        sleep(Duration::from_millis(wait_ms));
        run.kill().unwrap();
        let ended = run.wait().unwrap();
        if ended.success() {
            assert_eq!(sandbox.digests("out"), expected);
        } else {
            killed_midway += 1;
            // All or nothing: the kill may have come just after the rename.
            if sandbox.path("out").exists() {
                assert_eq!(sandbox.digests("out"), expected);
            }
        }
        let _ = std::fs::remove_dir_all(sandbox.path("out"));
    }
    assert!(killed_midway > 0, "every run was over before it could be killed");
    sandbox.run(LINE).done();
    assert_eq!(sandbox.digests("out"), expected);
    assert_eq!(sandbox.names(), ["in", "out"]);
}

#[test]
fn a_killed_overwrite_leaves_the_old_result_or_the_new_one() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_under-test"));
    sandbox.draw("in", 6);
    sandbox.run(&format!("{LINE} --limit 10")).done();
    let old = sandbox.digests("out");
    sandbox.run(&LINE.replace("out", "other")).done();
    let new = sandbox.digests("other");
    for wait_ms in [10, 80, 200, 350] {
        let mut run = sandbox.start(&format!("{LINE} --mode overwrite"));
        sleep(Duration::from_millis(wait_ms));
        run.kill().unwrap();
        run.wait().unwrap();
        let seen = sandbox.digests("out");
        assert!(seen == old || seen == new, "neither the old result nor the new one");
    }
    sandbox.run(&format!("{LINE} --mode overwrite")).done();
    assert_eq!(sandbox.digests("out"), new);
    assert_eq!(sandbox.names(), ["in", "other", "out"]);
}

#[test]
fn ctrl_c_ends_the_run_in_words_and_leaves_nothing() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_under-test"));
    sandbox.draw("in", 60);
    let mut stopped = 0;
    for signal in ["INT", "TERM"] {
        let mut command =
            sandbox.command(format!("{LINE} --size 224 --no-resume").split_whitespace());
        command.stderr(std::process::Stdio::piped());
        let run = command.spawn().unwrap();
        // Wait until it is at work: its staging folder is there, and some time has gone by.
        while sandbox.names().len() < 2 {
            sleep(Duration::from_millis(5));
        }
        sleep(Duration::from_millis(200));
        let kill = Command::new("kill").args(["-s", signal, &run.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let ended = run.wait_with_output().unwrap();
        let words = String::from_utf8(ended.stderr).unwrap();
        if ended.status.code() == Some(130) {
            assert!(words.contains("interrupted"), "{words}");
            assert_eq!(sandbox.names(), ["in"], "{words}");
            stopped += 1;
        } else {
            // The run won the race.
            assert!(ended.status.success(), "{words}");
            std::fs::remove_dir_all(sandbox.path("out")).unwrap();
        }
    }
    assert!(stopped > 0, "no run was still at work when the signal came");
}
