//! Disks that are full, and disks that may not be written: one line that says so, and nothing left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fruitnode_tests::sandbox::Sandbox;
use fruitnode_tests::say_skipped;

/// A file system of its own, which goes with the test.
struct Disk(PathBuf);

impl Disk {
    /// Mounts one below a folder; nothing where that is not allowed.
    fn mount(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).expect("room for a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "fruitnode-test"])
            .arg(at)
            .output();
        match mounted {
            Ok(done) if done.status.success() => Some(Self(at.to_owned())),
            _ => {
                say_skipped("a full disk needs the right to mount one: run as root");
                None
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{}", self.0.display());
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_under-test"))
}

#[test]
fn a_disk_that_fills_up_fails_the_job_in_words_and_is_as_it_was() {
    let sandbox = sandbox();
    sandbox.draw("in", 8);
    // From no room at all to nearly enough, so that it fills up at every stage.
    for kib in [16, 200, 400, 800, 1_200] {
        let at = sandbox.path("disk");
        let Some(_disk) = Disk::mount(&at, &format!("size={kib}k")) else { return };
        let line = "run --from in --to disk/out --pca 2 --rows-per-part 16 --threads 2 --no-resume";
        let words = sandbox.run(line).refused(1);
        assert!(words.contains("no space left"), "{kib} KiB: {words}");
        assert_eq!(words.lines().filter(|line| line.starts_with("error")).count(), 1, "{words}");
        assert_eq!(fs::read_dir(&at).expect("a folder").count(), 0, "{kib} KiB: something is left");
    }
}

#[test]
fn an_earlier_result_survives_a_disk_that_is_too_small_for_the_next() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    let at = sandbox.path("disk");
    let Some(_disk) = Disk::mount(&at, "size=3m") else { return };
    let line = "run --from in --to disk/out --pca 2 --threads 2 --mode overwrite";
    sandbox.run(line).done();
    let before = sandbox.digests("disk/out");
    sandbox.draw("in", 30);
    let words = sandbox.run(line).refused(1);
    assert!(words.contains("no space left"), "{words}");
    assert_eq!(sandbox.digests("disk/out"), before);
}

#[test]
fn a_disk_that_may_only_be_read_is_named_with_what_to_do() {
    let sandbox = sandbox();
    sandbox.draw("in", 1);
    let at = sandbox.path("disk");
    let Some(_disk) = Disk::mount(&at, "size=3m,ro") else { return };
    let words = sandbox.run("run --from in --to disk/out --pca 2").refused(4);
    assert!(words.contains("disk") && words.contains("no permission to write"), "{words}");
}
