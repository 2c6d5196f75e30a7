//! Same inputs, same bytes: whatever the threads, the batch, the environment or the kernel.

use std::fs;

use fruitnode_tests::sandbox::{Ended, Sandbox, files};

#[test]
fn every_published_file_has_the_same_bytes_however_the_job_is_run() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_under-test"));
    let photographs = sandbox.draw("in", 8);
    let spoiled = &files(&photographs)[5];
    fs::write(spoiled, &fs::read(spoiled).unwrap()[..300]).unwrap();
    let line = "run --from in --to out --mode overwrite --rows-per-part 9 --pca 0.9";
    sandbox.run(line).done();
    let expected = sandbox.digests("out");
    assert!(expected.len() > 20, "{expected:?}");

    let again = |words: &str, settings: &[(&str, &str)]| {
        let mut command = sandbox.command(line.split_whitespace().chain(words.split_whitespace()));
        command.envs(settings.iter().copied());
        Ended::of(command).done();
        assert_eq!(sandbox.digests("out"), expected, "{words} {settings:?}");
    };
    again("", &[]);
    for threads in ["1", "2", "5"] {
        for batch in ["1", "7", "32"] {
            again(&format!("--threads {threads} --batch {batch}"), &[]);
        }
    }
    again("", &[("RAYON_NUM_THREADS", "1"), ("TZ", "Asia/Tokyo"), ("LANG", "tr_TR.UTF-8")]);
    again("", &[("RAYON_NUM_THREADS", "7"), ("TZ", "America/Lima"), ("LC_ALL", "C")]);
}

#[test]
fn every_kernel_gives_the_same_features() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_under-test"));
    sandbox.draw("in", 1);
    let mut seen = Vec::new();
    for kernel in ["portable", "avx2", "avx512"] {
        let line = format!("run --from in --to out --mode overwrite --limit 3 --kernel {kernel}");
        let ended = sandbox.run(&line);
        if ended.code == Some(2) && ended.stderr.contains("cannot run") {
            fruitnode_tests::say_skipped(&format!("this processor has no {kernel}"));
            continue;
        }
        ended.done();
        seen.push((kernel, sandbox.digests("out")));
    }
    for (kernel, digests) in &seen[1..] {
        assert_eq!(*digests, seen[0].1, "{kernel} and {}", seen[0].0);
    }
}
