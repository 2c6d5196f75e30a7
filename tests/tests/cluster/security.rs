//! Who is let into a cluster of real processes, who is not, and who no longer.

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fruitnode_tests::cluster::Cluster;
use fruitnode_tests::sandbox::{Ended, files};
use fruitnode_tests::store::{Hold, Visible};

const PROGRAM: &str = env!("CARGO_BIN_EXE_under-test");

/// A job, but for its name and where its result goes.
const FLAGS: &str = "--from s3://fruit/in/ --rows-per-part 4 --pca 3";

/// A token that was made with these flags: itself and its id.
fn made(cluster: &Cluster, flags: &str) -> (String, String) {
    let made = cluster.client(&format!("token create -o json {flags}")).done().json();
    let word = |word: &serde_json::Value| word.as_str().expect("a word").to_owned();
    (word(&made["token"]), word(&made["info"]["id"]))
}

/// What a joiner is told, in one line, that is not let in.
#[track_caller]
fn turned_away(ended: Ended, code: i32) -> String {
    let words = ended.refused(code);
    assert_eq!(words.trim_end().lines().count(), 1, "{words}");
    words
}

/// A token with another group of its four.
fn altered(token: &str, group: usize, with: &str) -> String {
    let mut groups: Vec<_> = token.split('.').collect();
    groups[group] = with;
    groups.join(".")
}

/// The secret of a token as its words show it, and as bytes.
fn secret(token: &str) -> (String, Vec<u8>) {
    let hex = token.rsplit('.').next().expect("four groups");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (hex.to_owned(), (0..hex.len()).step_by(2).map(byte).collect())
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// A folder with the certificate of a node where a person's is looked for.
fn as_node(cluster: &Cluster, at: usize) -> String {
    let name = format!("as-n{}", at + 1);
    let folder = cluster.job.sandbox.path(&name);
    fs::create_dir(&folder).expect("it is not there yet");
    let own = cluster.data_dir(at);
    for (from, to) in [("ca.pem", "ca.pem"), ("node.pem", "client.pem"), ("node.key", "client.key")]
    {
        fs::copy(own.join(from), folder.join(to)).expect("a node has them");
    }
    name
}

/// Waits until a child has ended; its code.
fn end(cluster: &Cluster, child: Child) -> Option<i32> {
    let child = RefCell::new(child);
    let ended = || child.borrow_mut().try_wait().expect("a child");
    cluster.until("a command ends", || ended().is_some());
    ended().expect("it has ended").code()
}

#[test]
fn a_token_lets_in_whom_it_was_made_for_and_nobody_else() {
    let (cluster, foreign) = (Cluster::found(PROGRAM), Cluster::found(PROGRAM));
    let at = cluster.addresses();
    let (once, _) = made(&cluster, "--uses 1");
    cluster.enroll("first", &once, &at).done();
    let (expired, _) = made(&cluster, "--ttl 1ms");
    let (revoked, id) = made(&cluster, "");
    cluster.client(&format!("token revoke {id}")).done();
    let unknown = altered(cluster.token(), 2, "00000000");
    for (token, says) in [
        (once.as_str(), "no uses left"),
        (&expired, "has expired"),
        (&revoked, "unknown or revoked"),
        (&unknown, "unknown or revoked"),
        (foreign.token(), "the authority in the token"),
        ("FN1.no.token", "copy the whole"),
    ] {
        let words = turned_away(cluster.enroll("second", token, &at), 4);
        assert!(words.contains(says), "{says}: {words}");
        let secret = token.rsplit('.').next().expect("groups");
        assert!(secret.len() < 64 || !words.contains(secret), "{words}");
    }
    // Whoever was refused tries again in the same folder, with a token that is good.
    cluster.enroll("second", cluster.token(), &at).done();
    let words = cluster.enroll("second", cluster.token(), &at).refused(6);
    assert!(words.contains("fruitnode start"), "{words}");
}

#[test]
fn whoever_guesses_secrets_is_made_to_wait() {
    let cluster = Cluster::found(PROGRAM);
    let at = cluster.addresses();
    for guess in 0..5 {
        let token = altered(cluster.token(), 3, &format!("{guess:064x}"));
        let words = turned_away(cluster.enroll("guess", &token, &at), 4);
        assert!(words.contains("secret of the token is wrong"), "{words}");
    }
    let ended = cluster.enroll("guess", cluster.token(), &at);
    assert_ne!(ended.code, Some(0));
    assert!(ended.stderr.contains("wait a minute"), "{}", ended.stderr);
}

#[test]
fn the_last_use_of_a_token_lets_in_one_of_two_that_come_at_once() {
    let cluster = Cluster::found(PROGRAM);
    let at = cluster.addresses();
    for round in 0..3 {
        let (token, _) = made(&cluster, "--uses 1");
        let children = ["left", "right"].map(|side| {
            let mut command = cluster.enrolment(&format!("{side}-{round}"), &token, &at);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("the program starts")
        });
        let mut codes = children.map(|child| end(&cluster, child));
        codes.sort_unstable();
        assert_eq!(codes, [Some(0), Some(4)], "round {round}");
    }
    let members = cluster.status().expect("somebody answers")["nodes"].clone();
    assert_eq!(members.as_array().map(Vec::len), Some(4), "{members}");
}

#[test]
fn who_is_no_node_of_the_cluster_never_hears_the_secret() {
    let (cluster, foreign) = (Cluster::found(PROGRAM), Cluster::found(PROGRAM));
    let (hex, raw) = secret(cluster.token());
    for (answer, code) in [("", 3), ("HTTP/1.1 400 Bad Request\r\n\r\n", 4)] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let at = listener.local_addr().expect("it is bound").to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&heard);
        thread::spawn(move || {
            // Longer than a joiner waits, so that its patience ends first.
            for stream in listener.incoming() {
                let mut stream = stream.expect("it came");
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
                let mut piece = [0; 4_096];
                while let Ok(length @ 1..) = stream.read(&mut piece) {
                    all.lock().expect("nobody panics").extend_from_slice(&piece[..length]);
                    // It may have gone.
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        });
        let words = turned_away(cluster.enroll("joiner", cluster.token(), &at), code);
        assert!(words.contains(&at), "{words}");
        let heard = heard.lock().expect("nobody panics");
        assert!(!heard.is_empty(), "the joiner said nothing at all");
        assert!(!holds(&heard, &raw) && !holds(&heard, hex.as_bytes()), "{answer}");
    }
    let ended = cluster.enroll("joiner", cluster.token(), &foreign.addresses());
    let words = turned_away(ended, 4);
    assert!(words.contains("the authority in the token"), "{words}");
    assert_eq!(foreign.status().expect("it runs")["nodes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn the_secret_of_a_token_is_kept_nowhere() {
    let mut cluster = Cluster::of(PROGRAM, 3);
    cluster.until_voters(3);
    let (other, _) = made(&cluster, "");
    cluster.enroll("fourth", &other, &cluster.addresses()).done();
    cluster.client("backup --to saved").done();
    (0..3).for_each(|at| assert_eq!(cluster.terminate(at), Some(0), "{}", cluster.tails()));
    let root = cluster.job.sandbox.path("");
    let all = files(&root);
    for name in ["n1/log.redb", "n2/log.redb", "n2/roster", "n2-1.log", "fourth/identity.json"] {
        assert!(all.contains(&root.join(name)), "{name} is not there: {all:?}");
    }
    for token in [cluster.token(), other.as_str()] {
        let (hex, raw) = secret(token);
        let tells = |path: &std::path::PathBuf| {
            let bytes = fs::read(path).expect("readable");
            holds(&bytes, hex.as_bytes()) || holds(&bytes, &raw)
        };
        let telling: Vec<_> = all.iter().filter(|path| tells(path)).collect();
        // The first one was printed, and the test kept what was printed.
        let printed = root.join("n1-1.out");
        let expected = if token == cluster.token() { vec![&printed] } else { Vec::new() };
        assert_eq!(telling, expected);
    }
}

#[test]
fn a_person_is_let_in_until_the_certificate_is_revoked() {
    let cluster = Cluster::of(PROGRAM, 2);
    cluster.job.draw(2);
    cluster.client("client create ann --to ann").done();
    let words = cluster.client("client create ann --to again").refused(6);
    assert!(words.contains("client revoke ann"), "{words}");
    cluster.client("status --certs-dir ann").done();
    cluster.client("token list --certs-dir ann").done();
    let words = cluster.client("status --certs-dir nobody").refused(4);
    assert!(words.contains("client create"), "{words}");

    cluster.job.store.hold(Hold::of("GetObject", 1).below("in/"));
    let line = format!("job submit {FLAGS} --to s3://fruit/out --id standing --detach");
    cluster.client(&format!("{line} --certs-dir ann")).done();
    let watch = cluster.start_client("job watch standing --certs-dir ann");
    cluster.until("the store holds a request", || cluster.job.store.held() > 0);
    cluster.client("client revoke ann").done();
    assert_eq!(end(&cluster, watch), Some(4), "a stream that was open goes on");
    for line in ["status --certs-dir ann", "job cancel standing --certs-dir ann"] {
        let words = cluster.client(line).refused(4);
        assert!(words.contains("revoked"), "{line}: {words}");
    }
    cluster.job.store.let_go();
    assert_eq!(cluster.ended("standing"), "succeeded", "{}", cluster.tails());
}

#[test]
fn a_certificate_of_a_node_is_none_of_a_person() {
    let cluster = Cluster::of(PROGRAM, 2);
    cluster.job.draw(1);
    let own = as_node(&cluster, 1);
    cluster.client(&format!("status --certs-dir {own}")).done();
    for line in [
        &format!("job submit {FLAGS} --to s3://fruit/out --id mine"),
        "token create",
        "client create eve --to eve",
        "node remove n1 --yes",
        "backup --to stolen",
    ] {
        let words = cluster.client(&format!("{line} --certs-dir {own}")).refused(4);
        assert!(words.contains("is only for clients"), "{line}: {words}");
    }
    let words = cluster.client(&format!("node drain n1 --certs-dir {own}")).refused(4);
    assert!(words.contains("only drain itself"), "{words}");
    assert_eq!(cluster.job.visible("out/"), Visible::Nothing);
    assert!(!cluster.job.sandbox.path("stolen").exists());
}

#[test]
fn a_certificate_of_another_cluster_opens_nothing() {
    let (cluster, foreign) = (Cluster::found(PROGRAM), Cluster::found(PROGRAM));
    let theirs = foreign.data_dir(0).join("client");
    let words = cluster.client(&format!("status --certs-dir {}", theirs.display())).refused(4);
    assert!(words.contains("another cluster"), "{words}");
}

#[test]
fn a_removed_node_is_cut_off() {
    let mut cluster = Cluster::of(PROGRAM, 4);
    cluster.until_voters(3);
    cluster.job.draw(2);
    let leader = cluster.leader().expect("a coordinator");
    let of_role = |role: &str| {
        let is = |at: &usize| cluster.node(*at).is_some_and(|node| node["role"] == role);
        (0..4).filter(|at| *at != leader).find(is).expect("4 nodes, 3 of them voters")
    };
    for at in [of_role("member"), of_role("voter")] {
        let own = as_node(&cluster, at);
        cluster.client(&format!("status --certs-dir {own}")).done();
        cluster.client(&format!("node remove n{} --yes", at + 1)).done();
        for _ in 0..2 {
            assert_eq!(cluster.end(at), Some(4), "{}", cluster.tails());
            let log = cluster.log(at);
            let words = log.lines().last().expect("it said why");
            assert!(words.contains("join again"), "{words}");
            cluster.restart(at);
        }
        assert_eq!(cluster.end(at), Some(4), "{}", cluster.tails());
        let words = cluster.client(&format!("status --certs-dir {own}")).refused(4);
        assert!(words.contains("was removed"), "{words}");
        let id = format!("without-{}", at + 1);
        let line = format!("job submit {FLAGS} --to s3://fruit/{id} --id {id} --detach");
        cluster.client(&line).done();
        assert_eq!(cluster.ended(&id), "succeeded", "{}", cluster.tails());
    }
}
