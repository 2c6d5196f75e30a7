//! `fruitnode model pull` and `--weights hf://…` as a user meets them, against a hub on loopback.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use fruitnode_tests::hub::{Fault, Hub, Server};
use fruitnode_tests::sandbox::{Ended, Sandbox, files, sha256};

const FILE: &str = "fruit/net/resolve/main/model.safetensors";

/// A sandbox with a cache of its own, and a hub with weights that differ from our own by a bit.
struct Scene {
    sandbox: Sandbox,
    hub: Hub,
    bytes: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let mut bytes = fruitnode_vision::model::embedded().to_vec();
        // The lowest bit of the last tensor's last value.
        *bytes.iter_mut().nth_back(1).expect("weights") ^= 1;
        let hub = Hub::start();
        hub.put(FILE, &bytes);
        Self { sandbox: Sandbox::new(env!("CARGO_BIN_EXE_under-test")), hub, bytes }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.sandbox.command(line.split_whitespace());
        command.env("FRUITNODE_CACHE", self.sandbox.path("cache"));
        command.env("HF_ENDPOINT", self.hub.endpoint());
        command.env("HF_HOME", self.sandbox.path("hub-home"));
        command.env_remove("HF_TOKEN").env_remove("HF_TOKEN_PATH");
        command
    }

    fn run(&self, line: &str) -> Ended {
        Ended::of(self.command(line))
    }
}

#[test]
fn pulled_weights_lie_in_the_cache_and_where_they_were_asked_for() {
    let scene = Scene::new();
    let digest = sha256(&scene.bytes);
    let told = scene.run("model pull hf://fruit/net -o json").done().json();
    assert_eq!((&told["sha256"], &told["cached"]), (&digest.as_str().into(), &false.into()));
    assert!(fs::read(told["file"].as_str().unwrap()).unwrap() == scene.bytes);
    let table = scene.run("model pull hf://fruit/net --to w.safetensors").done().stdout;
    assert!(table.contains("already in the cache") && table.contains(&digest), "{table}");
    assert!(fs::read(scene.sandbox.path("w.safetensors")).unwrap() == scene.bytes);
    assert_eq!(scene.hub.seen_by(Server::Store).len(), 1);
    scene.run("model pull hf://fruit/net --to w.safetensors").done();
    scene.run(&format!("model verify w.safetensors --sha256 {digest}")).done();
    fs::write(scene.sandbox.path("mine"), b"dear").unwrap();
    let words = scene.run("model pull hf://fruit/net --to mine").refused(6);
    assert!(words.contains("mine"), "{words}");
    assert_eq!(fs::read(scene.sandbox.path("mine")).unwrap(), b"dear");
    assert_eq!(scene.sandbox.names(), ["cache", "mine", "w.safetensors"]);
}

#[test]
fn every_refusal_has_its_exit_code_and_one_line() {
    let scene = Scene::new();
    let digest = "ab".repeat(32);
    for (line, code, names) in [
        ("model pull hf://fruit/other".to_owned(), 5, "404"),
        (format!("model pull hf://fruit/net --sha256 {digest}"), 1, digest.as_str()),
        ("model pull hf://fruit/net --sha256 12".to_owned(), 2, "64 hexadecimal digits"),
        ("model pull fruit/net".to_owned(), 2, "hf://owner/name"),
        ("model pull http://example.org/w".to_owned(), 2, "https://"),
        ("model pull s3://bucket".to_owned(), 2, "does not name an object"),
        ("model pull".to_owned(), 2, "SOURCE"),
    ] {
        let words = scene.run(&line).refused(code);
        assert!(words.contains(names), "{line}: {words}");
        assert_eq!(words.lines().filter(|line| line.starts_with("error")).count(), 1, "{words}");
    }
    scene.hub.guard(FILE, "secret");
    let words = scene.run("model pull hf://fruit/net").refused(4);
    assert!(words.contains("HF_TOKEN"), "{words}");
    fs::create_dir(scene.sandbox.path("hub-home")).unwrap();
    fs::write(scene.sandbox.path("hub-home/token"), "secret\n").unwrap();
    let ended = scene.run("model pull hf://fruit/net -vv").done();
    assert!(!format!("{ended:?}").contains("secret"), "{ended:?}");
    let mut nowhere = scene.command("model pull hf://fruit/net");
    nowhere.env("HF_ENDPOINT", "http://example.org");
    assert!(Ended::of(nowhere).refused(2).contains("HF_ENDPOINT"));
}

#[test]
fn a_job_fetches_its_weights_once_and_never_when_offline() {
    let scene = Scene::new();
    scene.sandbox.draw("in", 2);
    let line = "run --from in --to out --pca 2 --weights hf://fruit/net";
    let words = scene.run(&format!("{line} --offline")).refused(5);
    assert!(words.contains("hf://fruit/net@main/model.safetensors"), "{words}");
    assert_eq!(scene.hub.seen(), []);
    scene.run(line).done();
    let asked = scene.hub.seen().len();
    let first = scene.sandbox.digests("out");
    scene.run(&format!("{line} --offline --mode overwrite")).done();
    assert_eq!(scene.sandbox.digests("out"), first);
    fs::write(scene.sandbox.path("w.safetensors"), &scene.bytes).unwrap();
    scene.run("run --from in --to out --pca 2 --weights w.safetensors --mode overwrite").done();
    assert_eq!(
        scene.sandbox.digests("out"),
        first,
        "the way to the weights is no part of a result"
    );
    // The model names its weights by their digest, and the cache has them.
    scene.run("transform --model out/model --from in --to scores").done();
    scene.run("verify scores").done();
    assert_eq!(scene.hub.seen().len(), asked);
    fs::remove_dir_all(scene.sandbox.path("cache")).unwrap();
    let words = scene.run("transform --model out/model --from in --to again").refused(2);
    assert!(words.contains(&sha256(&scene.bytes)), "{words}");
}

#[test]
fn an_interrupted_pull_keeps_its_part_and_the_next_one_goes_on() {
    let scene = Scene::new();
    scene.hub.fail(Server::Store, [Fault::Stall(1_000_000)]);
    let mut command = scene.command("model pull hf://fruit/net");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let part = || {
        let all = scene.sandbox.path("cache").is_dir().then(|| files(&scene.sandbox.path("cache")));
        let found = all?.into_iter().find(|file| file.extension().is_some_and(|e| e == "part"))?;
        Some(fs::metadata(found).ok()?.len())
    };
    while part().is_none_or(|bytes| bytes < 1_000_000) {
        sleep(Duration::from_millis(20));
    }
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{words}");
    assert!(
        words.contains("976.56 KiB of hf://") && words.contains("resumes from there"),
        "{words}"
    );
    let told = scene.run("model pull hf://fruit/net -o json").done().json();
    assert_eq!(told["sha256"], sha256(&scene.bytes));
    let seen = scene.hub.seen_by(Server::Store);
    assert_eq!(seen[1].range.as_deref(), Some("bytes=1000000-"));
}
