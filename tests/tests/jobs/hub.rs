//! Weights fetched from a hub that behaves, and from servers that do not.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use fruitnode_storage::hub::{Event, Patience, PullError, Pulled, Source, Surroundings, pull};
use fruitnode_tests::hub::{Fault, Hub, Server};
use fruitnode_tests::sandbox::{files, sha256};

const SOURCE: &str = "hf://fruit/net";
const FILE: &str = "fruit/net/resolve/main/model.safetensors";

/// How a file of safetensors begins: the length of its header, and the header.
const SAFETENSORS: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

/// A hub with one file, and an empty cache.
struct Scene {
    hub: Hub,
    cache: TempDir,
    bytes: Vec<u8>,
    token: Option<&'static str>,
}

impl Scene {
    fn new() -> Self {
        // Long enough for many pieces, and no piece like another.
        let mut bytes = SAFETENSORS.to_vec();
        bytes.extend((0..300_000u32).flat_map(|n| (n ^ n >> 3).to_le_bytes()));
        let hub = Hub::start();
        hub.put(FILE, &bytes);
        Self { hub, cache: TempDir::new().expect("a temporary folder"), bytes, token: None }
    }

    fn surroundings(&self) -> Surroundings {
        let (cache, endpoint) = (self.cache.path().display().to_string(), self.hub.endpoint());
        Surroundings::of(&|name| match name {
            "FRUITNODE_CACHE" => Some(cache.clone()),
            "HF_ENDPOINT" => Some(endpoint.clone()),
            "HF_TOKEN" => self.token.map(str::to_owned),
            _ => None,
        })
        .expect("a cache and a hub")
    }

    /// Pulls, and hands back what was told meanwhile.
    fn pull_with(
        &self,
        source: &str,
        expected: Option<&str>,
        patience: Patience,
    ) -> (Result<Pulled, PullError>, Vec<Event>) {
        let (surroundings, source) =
            (self.surroundings(), Source::parse(source).expect("a source"));
        let mut events = Vec::new();
        let mut tell = |event| events.push(event);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread");
        let pulled = runtime.block_on(pull(&surroundings, &source, expected, patience, &mut tell));
        (pulled, events)
    }

    fn pull(&self) -> Result<Pulled, PullError> {
        self.pull_with(SOURCE, None, at_once()).0
    }

    #[track_caller]
    fn whole(&self, pulled: Result<Pulled, PullError>) -> Pulled {
        let pulled = pulled.expect("weights");
        assert!(fs::read(&pulled.path).expect("a file") == self.bytes, "other bytes");
        let digest = sha256(&self.bytes);
        assert_eq!(pulled.known.sha256, digest);
        assert!(pulled.path.ends_with(format!("weights/{digest}.safetensors")));
        pulled
    }

    #[track_caller]
    fn refused(&self, pulled: Result<Pulled, PullError>, words: &[&str]) {
        let error = pulled.expect_err("refused").failure().words;
        for word in words {
            assert!(error.contains(word), "{word} in: {error}");
        }
        assert_eq!(self.weights(), Vec::<PathBuf>::new());
    }

    fn weights(&self) -> Vec<PathBuf> {
        let all = files(self.cache.path()).into_iter();
        all.filter(|file| file.parent().is_some_and(|folder| folder.ends_with("weights"))).collect()
    }

    fn parts(&self) -> usize {
        let all = files(self.cache.path()).into_iter();
        all.filter(|file| file.extension().is_some_and(|end| end == "part")).count()
    }
}

/// Patience that takes no time.
fn at_once() -> Patience {
    Patience { first: Duration::ZERO, most: Duration::ZERO, ..Patience::default() }
}

fn again(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Again { .. })).count()
}

#[test]
fn a_file_comes_by_a_redirect_and_the_token_stays_with_the_hub() {
    let mut scene = Scene::new();
    scene.hub.guard(FILE, "secret");
    scene.token = Some("secret");
    let pulled = scene.whole(scene.pull());
    assert!(!pulled.cached && pulled.known.commit.is_some());
    let tokens: Vec<_> =
        scene.hub.seen().into_iter().map(|s| (s.server, s.authorization)).collect();
    let bearer = Some("Bearer secret".to_owned());
    assert_eq!(tokens, [(Server::Endpoint, bearer), (Server::Store, None)]);
    assert_eq!(scene.parts(), 0);
}

#[test]
fn what_is_here_already_is_not_fetched_again() {
    let scene = Scene::new();
    scene.whole(scene.pull());
    assert!(scene.whole(scene.pull()).cached);
    // Another revision of the same bytes, and the digest alone without asking anybody.
    scene.hub.put("fruit/net/resolve/v2/model.safetensors", &scene.bytes);
    let pulled = scene.pull_with("hf://fruit/net@v2", None, at_once()).0;
    assert!(scene.whole(pulled).cached);
    assert_eq!(scene.hub.seen_by(Server::Store).len(), 1);
    let before = scene.hub.seen().len();
    let digest = sha256(&scene.bytes);
    let pulled = scene.pull_with("hf://other/name", Some(&digest), at_once()).0;
    assert!(scene.whole(pulled).cached);
    assert_eq!(scene.hub.seen().len(), before);
}

#[test]
fn bytes_that_rotted_in_the_cache_are_fetched_again() {
    let scene = Scene::new();
    let path = scene.whole(scene.pull()).path;
    let mut rotten = scene.bytes.clone();
    rotten[77] ^= 1;
    fs::write(&path, rotten).unwrap();
    assert!(!scene.whole(scene.pull()).cached);
}

#[test]
fn a_file_cut_in_the_middle_is_gone_on_with_where_it_ended() {
    let scene = Scene::new();
    scene.hub.fail(Server::Store, [Fault::Cut(400_000), Fault::Cut(100), Fault::Cut(500_000)]);
    let (pulled, events) = scene.pull_with(SOURCE, None, at_once());
    scene.whole(pulled);
    assert_eq!(again(&events), 3);
    let seen = scene.hub.seen_by(Server::Store);
    assert_eq!(seen[0].range, None);
    let starts: Vec<u64> = seen[1..]
        .iter()
        .map(|seen| {
            assert!(seen.if_range.as_deref().is_some_and(|etag| etag.starts_with("\"etag-")));
            let range = seen.range.as_deref().unwrap();
            range["bytes=".len()..].trim_end_matches('-').parse().unwrap()
        })
        .collect();
    assert!(starts.is_sorted() && starts[0] > 0, "{starts:?}");
}

#[test]
fn a_part_left_by_another_process_is_gone_on_with() {
    let scene = Scene::new();
    scene.hub.fail(Server::Store, [Fault::Cut(400_000)]);
    scene.hub.fail(Server::Endpoint, [Fault::WholeAnyway, Fault::Status(503, None)]);
    let once = Patience { tries: 1, ..at_once() };
    let error = scene.pull_with(SOURCE, None, once).0.unwrap_err().to_string();
    assert!(error.contains("are kept, and the next pull resumes"), "{error}");
    assert_eq!(scene.parts(), 1);
    let (pulled, events) = scene.pull_with(SOURCE, None, at_once());
    scene.whole(pulled);
    let first = events.iter().find_map(|event| match event {
        Event::At { bytes, .. } => Some(*bytes),
        _ => None,
    });
    assert!(first.is_some_and(|bytes| bytes > 0), "{events:?}");
}

#[test]
fn a_server_that_ignores_ranges_sends_all_again() {
    let scene = Scene::new();
    scene.hub.fail(Server::Store, [Fault::Cut(400_000), Fault::WholeAnyway]);
    scene.whole(scene.pull());
}

#[test]
fn without_a_strong_validator_nothing_is_pieced_together() {
    for etag in [None, Some("W/\"weak\"")] {
        let scene = Scene::new();
        scene.hub.validate(FILE, etag);
        scene.hub.fail(Server::Store, [Fault::Cut(400_000)]);
        scene.whole(scene.pull());
        assert!(scene.hub.seen().iter().all(|seen| seen.range.is_none()));
    }
}

#[test]
fn a_file_that_changed_between_attempts_begins_anew() {
    for fault in [None, Some(Fault::PartAnyway)] {
        for promised in [true, false] {
            let mut scene = Scene::new();
            scene.hub.fail(Server::Store, [Fault::Cut(400_000)]);
            scene.hub.fail(Server::Endpoint, [Fault::WholeAnyway, Fault::Status(503, None)]);
            let once = Patience { tries: 1, ..at_once() };
            scene.pull_with(SOURCE, None, once).0.unwrap_err();
            scene.bytes.iter_mut().skip(SAFETENSORS.len()).for_each(|byte| *byte ^= 0x55);
            scene.hub.put(FILE, &scene.bytes);
            if !promised {
                scene.hub.promise(FILE, None);
            }
            scene.hub.fail(Server::Store, fault.clone());
            scene.whole(scene.pull());
        }
    }
}

#[test]
fn another_digest_than_promised_or_asked_for_is_deleted_and_both_are_said() {
    let scene = Scene::new();
    let (found, other) = (sha256(&scene.bytes), "ab".repeat(32));
    scene.hub.promise(FILE, Some(&other));
    scene.refused(scene.pull(), &[&found, &other, "the hub"]);
    assert_eq!(scene.parts(), 0);
    scene.hub.promise(FILE, None);
    let pulled = scene.pull_with(SOURCE, Some(&other), at_once()).0;
    scene.refused(pulled, &[&found, &other, "--sha256"]);
    assert_eq!(scene.parts(), 0);
    // The hub's word is enough to fetch nothing at all.
    scene.hub.promise(FILE, Some(&found));
    let before = scene.hub.seen_by(Server::Store).len();
    let pulled = scene.pull_with(SOURCE, Some(&other), at_once()).0;
    scene.refused(pulled, &[&found, &other]);
    assert_eq!(scene.hub.seen_by(Server::Store).len(), before);
}

#[test]
fn refusals_say_what_to_do_and_are_not_tried_again() {
    let mut scene = Scene::new();
    scene.hub.guard(FILE, "secret");
    scene.refused(scene.pull(), &["401", "HF_TOKEN", "hf://fruit/net@main/model.safetensors"]);
    scene.token = Some("wrong");
    scene.refused(scene.pull(), &["403", "no access", "HF_TOKEN"]);
    let pulled = scene.pull_with("hf://fruit/vegetable", None, at_once()).0;
    scene.refused(pulled, &["404", "EntryNotFound", "check owner, name, revision and file"]);
    assert_eq!(scene.hub.seen().len(), 3);
    let pulled = scene.pull_with("s3://bucket/folder/", None, at_once()).0;
    scene.refused(pulled, &["s3://bucket/folder/", "does not name an object"]);
}

#[test]
fn a_server_that_is_busy_is_asked_again_when_it_says_and_not_for_ever() {
    let scene = Scene::new();
    let busy = [Fault::Status(429, Some(0)), Fault::Status(503, None), Fault::Status(500, None)];
    scene.hub.fail(Server::Endpoint, busy);
    let patience = Patience { first: Duration::from_millis(1), ..at_once() };
    let (pulled, events) = scene.pull_with(SOURCE, None, patience);
    scene.whole(pulled);
    assert_eq!(again(&events), 3);
    let scene = Scene::new();
    scene.hub.fail(Server::Endpoint, vec![Fault::Status(429, Some(0)); 50]);
    scene.refused(scene.pull(), &["429", "gave up after 6 attempts", "nothing is kept"]);
    assert_eq!(scene.hub.seen().len(), 6);
}

#[test]
fn sizes_that_lie_and_bodies_without_end_are_bounded() {
    let small = Patience { bytes_max: 3_000_000, ..at_once() };
    let scene = Scene::new();
    scene.hub.promise(FILE, None);
    let url = scene.hub.store_url(FILE);
    scene.hub.fail(Server::Store, [Fault::Endless]);
    let pulled = scene.pull_with(&url, None, small).0;
    scene.refused(pulled, &["limit of 2.86 MiB", "nothing of it is kept"]);
    assert_eq!(scene.parts(), 0);
    scene.hub.fail(Server::Store, [Fault::Length(u64::MAX / 2)]);
    let (pulled, events) = scene.pull_with(&url, None, small);
    scene.refused(pulled, &["limit of 2.86 MiB"]);
    assert_eq!(events, [], "refused before a byte came");
    scene.hub.fail(Server::Store, [Fault::Length(10)]);
    scene.refused(scene.pull(), &["size", "the hub"]);
    // Longer than the file is, and shorter than the limit: as if cut, each time.
    scene.hub.fail(Server::Store, vec![Fault::Length(2_000_000); 9]);
    scene.hub.validate(FILE, None);
    scene.refused(scene.pull_with(&url, None, small).0, &["gave up"]);
}

#[test]
fn redirects_lead_neither_astray_nor_in_circles() {
    let scene = Scene::new();
    let path = format!("{}/{FILE}", scene.hub.endpoint());
    scene.hub.fail(Server::Endpoint, vec![Fault::Redirect(path); 50]);
    scene.refused(scene.pull(), &["too many redirects"]);
    for (place, words) in [
        ("http://example.org/w", "unencrypted"),
        ("file:///etc/passwd", "unencrypted"),
        ("http://", "without saying where"),
    ] {
        let scene = Scene::new();
        scene.hub.fail(Server::Endpoint, [Fault::Redirect(place.to_owned())]);
        scene.refused(scene.pull(), &[words]);
    }
}

#[test]
fn what_is_asked_for_with_encryption_is_never_asked_for_without() {
    let scene = Scene::new();
    let url = scene.hub.store_url(FILE).replace("http://", "https://");
    let (pulled, events) = scene.pull_with(&url, None, at_once());
    scene.refused(pulled, &["https://127.0.0.1", "gave up after 6 attempts", "cannot connect"]);
    assert_eq!(again(&events), 5);
    assert_eq!(scene.hub.seen(), []);
}

#[test]
fn two_pulls_at_once_fetch_once() {
    let scene = Scene::new();
    let pulled = std::thread::scope(|scope| {
        let pulls: Vec<_> = (0..3).map(|_| scope.spawn(|| scene.pull())).collect();
        pulls.into_iter().map(|pull| pull.join().unwrap()).collect::<Vec<_>>()
    });
    let fresh = pulled.into_iter().map(|pulled| scene.whole(pulled));
    assert_eq!(fresh.filter(|pulled| !pulled.cached).count(), 1);
    assert_eq!(scene.hub.seen_by(Server::Store).len(), 1);
}

#[test]
fn what_is_no_weights_is_named_and_does_not_stay_in_the_cache() {
    for (body, words) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"[..], "Git LFS"),
        (b"<!doctype html><title>Sign in</title>", "browsers"),
        (b"PK\x03\x04 an archive", "safetensors"),
        (b"\xff\xff\0\0\0\0\0\0{ shorter than its header", "safetensors"),
        (b"{}", "safetensors"),
    ] {
        let scene = Scene::new();
        scene.hub.put(FILE, body);
        scene.hub.promise(FILE, None);
        scene.refused(scene.pull(), &[SOURCE, words]);
        assert_eq!(scene.parts(), 0, "{words}");
    }
}
