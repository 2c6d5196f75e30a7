//! What the store breaks when it is told to, and what it counts.

use std::sync::mpsc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::ByteStream;
use fruitnode_tests::store::{
    Denial, GUEST_ACCESS_KEY, GUEST_SECRET_KEY, Gets, Hold, Right, Setup, Store, Switches, Which,
};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::service::S3Service;

use super::place::{Access, Place, refused, run};

/// A store, and its owner in it.
fn owned(switches: Switches) -> (Store, Place) {
    let store = Store::start(Setup { switches, ..Setup::default() }).unwrap();
    let place = Access::to(&store).place("");
    (store, place)
}

fn denied() -> (u16, String) {
    (403, "AccessDenied".to_owned())
}

/// Serves another implementation until this process ends; its URL.
pub(crate) fn serve_in_a_thread(service: S3Service) -> String {
    let (send, url) = mpsc::channel();
    std::thread::spawn(move || {
        run(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let io = TokioIo::new(socket);
                    let _ = http1::Builder::new().serve_connection(io, service).await;
                });
            }
        });
    });
    url.recv().expect("the thread serves")
}

#[test]
fn a_wrong_secret_an_unknown_key_and_no_key_are_refused() {
    let store = Store::new();
    let list =
        |access: Access| run(access.place("").client.list_objects_v2().bucket("fruit").send());
    let access = Access { secret: "guessed".to_owned(), ..Access::to(&store) };
    assert_eq!(refused(list(access)), (403, "SignatureDoesNotMatch".to_owned()));
    let access = Access { key: "AKIANOBODY".to_owned(), ..Access::to(&store) };
    assert_eq!(refused(list(access)), (403, "InvalidAccessKeyId".to_owned()));
    assert_eq!(plain_get(&store, "/fruit/?list-type=2"), "HTTP/1.1 403 Forbidden");
    assert_eq!(plain_get(&store, "/_test/counters"), "HTTP/1.1 200 OK");
}

/// The status line of an unsigned request.
fn plain_get(store: &Store, path: &str) -> String {
    use std::io::{Read, Write};
    let address = store.url().replace("http://", "");
    let mut socket = std::net::TcpStream::connect(&address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap().to_owned()
}

#[test]
fn another_region_is_refused_and_the_right_one_is_named() {
    let (store, place) = owned(Switches::default());
    let access = Access { region: "eu-west-1".to_owned(), ..Access::to(&store) };
    let list = || access.place("").client.list_objects_v2().bucket("fruit").send();
    let refusal = run(list()).unwrap_err();
    let header = refusal.raw_response().unwrap().headers().get("x-amz-bucket-region");
    assert_eq!(header, Some("us-east-1"));
    assert_eq!(refused(run(list())), (400, "AuthorizationHeaderMalformed".to_owned()));
    store.switch(|switches| switches.moved_to = Some("ap-south-1".to_owned()));
    let refusal = run(place.client.list_objects_v2().bucket("fruit").send()).unwrap_err();
    let header = refusal.raw_response().unwrap().headers().get("x-amz-bucket-region");
    assert_eq!(header, Some("ap-south-1"));
    let refusal = refused(run(place.client.list_objects_v2().bucket("fruit").send()));
    assert_eq!(refusal, (301, "PermanentRedirect".to_owned()));
}

#[test]
fn a_wrong_clock_is_refused() {
    let (_store, place) = owned(Switches { clock_skewed: true, ..Switches::default() });
    let list = run(place.client.list_objects_v2().bucket("fruit").send());
    assert_eq!(refused(list), (403, "RequestTimeTooSkewed".to_owned()));
}

#[test]
fn rights_are_missing_one_by_one_and_below_a_prefix() {
    let (store, place) = owned(Switches::default());
    let client = &place.client;
    store.put("in/a", "pear", 0);
    store.put("out/a", "pear", 0);
    let list = |prefix: &str| run(client.list_objects_v2().bucket("fruit").prefix(prefix).send());
    let get = |key: &str| run(client.get_object().bucket("fruit").key(key).send());
    let put = |key: &str| run(client.put_object().bucket("fruit").key(key).send());
    let delete = |key: &str| run(client.delete_object().bucket("fruit").key(key).send());

    store.switch(|switches| switches.denials = vec![Denial::below(Right::ListBucket, "in/")]);
    assert_eq!(refused(list("in/")), denied());
    list("out/").unwrap();
    assert_eq!(refused(get("in/none")), denied(), "who may not list is not told what is missing");
    get("in/a").unwrap();

    store.switch(|switches| switches.denials = vec![Denial::below(Right::GetObject, "in/")]);
    assert_eq!(refused(get("in/a")), denied());
    get("out/a").unwrap();
    let copy = client.copy_object().bucket("fruit").key("out/b").copy_source("fruit/in/a");
    assert_eq!(refused(run(copy.send())), denied());

    store.switch(|switches| switches.denials = vec![Denial::of(Right::PutObject)]);
    assert_eq!(refused(put("out/b")), denied());
    let create = client.create_multipart_upload().bucket("fruit").key("out/b").send();
    assert_eq!(refused(run(create)), denied());
    delete("out/b").unwrap();

    store.switch(|switches| switches.denials = vec![Denial::of(Right::DeleteObject)]);
    assert_eq!(refused(delete("out/a")), denied());
    put("out/b").unwrap();
    assert_eq!(store.keys("out/"), ["out/a", "out/b"]);
}

#[test]
fn the_second_access_key_lacks_what_it_is_denied_and_the_first_does_not() {
    let (store, place) = owned(Switches::default());
    store.put("a", "pear", 0);
    store.switch(|switches| switches.guest_denials = vec![Denial::of(Right::GetObject)]);
    let guest = Access {
        key: GUEST_ACCESS_KEY.to_owned(),
        secret: GUEST_SECRET_KEY.to_owned(),
        ..Access::to(&store)
    };
    let guest = guest.place("");
    assert_eq!(refused(run(guest.client.get_object().bucket("fruit").key("a").send())), denied());
    assert_eq!(run(place.get("a")), b"pear");
}

#[test]
fn conditions_of_writes_are_ignored_in_silence_when_told_to() {
    let switches =
        Switches { ignore_if_match: true, ignore_if_none_match: true, ..Switches::default() };
    let (store, place) = owned(switches);
    run(place.put("a", b"pear"));
    let put = || place.client.put_object().bucket("fruit").key("a");
    run(put().if_none_match("*").body(ByteStream::from_static(b"1")).send()).unwrap();
    run(put().if_match("\"0\"").body(ByteStream::from_static(b"2")).send()).unwrap();
    assert_eq!(&store.object("a").unwrap().body[..], b"2");
}

#[test]
fn pages_are_small_and_without_etags_when_told_to() {
    let switches = Switches { page_keys_max: 2, no_etag_in_lists: true, ..Switches::default() };
    let (store, place) = owned(switches);
    for key in ["a", "b", "c"] {
        store.put(key, "x", 0);
    }
    let page = run(place.client.list_objects_v2().bucket("fruit").send()).unwrap();
    assert_eq!(page.contents().len(), 2);
    assert_eq!(page.is_truncated, Some(true));
    assert!(page.contents().iter().all(|object| object.e_tag.is_none()));
    let counters = store.counters();
    assert_eq!((counters.keys_listed, counters.pages.len()), (2, 1));
}

#[test]
fn some_requests_are_told_to_slow_down_and_not_carried_out() {
    let (store, place) = owned(Switches { slow_down: Which::Every(2), ..Switches::default() });
    run(place.put("a", b"pear"));
    let put = || place.client.put_object().bucket("fruit").key("b").send();
    assert_eq!(refused(run(put())), (503, "SlowDown".to_owned()));
    assert_eq!(store.keys(""), ["a"]);
    run(put()).unwrap();
    assert_eq!(store.counters().faults, 1);
}

#[test]
fn a_reply_is_lost_and_the_write_was_carried_out() {
    let (store, place) = owned(Switches { lose_reply: Which::Nth(2), ..Switches::default() });
    run(place.put("a", b"pear"));
    let put = || {
        let put = place.client.put_object().bucket("fruit").key("b").if_none_match("*");
        put.body(ByteStream::from_static(b"apple")).send()
    };
    assert_eq!(refused(run(put())), (0, String::new()));
    assert_eq!(&store.object("b").unwrap().body[..], b"apple");
    assert_eq!(refused(run(put())), (412, "PreconditionFailed".to_owned()));
}

#[test]
fn a_body_ends_in_the_middle_and_is_not_counted_as_read() {
    let (store, place) = owned(Switches { cut_body: Which::Nth(1), ..Switches::default() });
    store.put("a", vec![7; 100_000], 0);
    run(async {
        let got = place.client.get_object().bucket("fruit").key("a").send().await.unwrap();
        assert_eq!(got.content_length(), Some(100_000));
        got.body.collect().await.expect_err("half of it");
    });
    assert_eq!(run(place.get("a")).len(), 100_000);
    assert_eq!(store.counters().gets["a"], Gets { asked: 2, whole: 1 });
}

#[test]
fn what_is_held_waits_and_is_carried_out_or_refused() {
    let (store, _) = owned(Switches::default());
    let access = Access::to(&store);
    for carried_out in [true, false] {
        let key = if carried_out { "yes" } else { "no" };
        store.forget();
        store.hold(Hold::of("PutObject", 2));
        run(access.place("").put("before", b"x"));
        let put = std::thread::scope(|scope| {
            let put = scope.spawn(|| {
                let client = access.place("").client;
                run(async { client.put_object().bucket("fruit").key(key).send().await })
            });
            while store.held() == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(store.object(key).is_none());
            if carried_out {
                store.let_go()
            } else {
                store.refuse_held()
            }
            put.join().unwrap()
        });
        assert_eq!(put.is_ok(), carried_out);
        assert_eq!(store.object(key).is_some(), carried_out);
    }
    run(access.place("").put("after", b"x"));
}

#[test]
fn a_bucket_may_be_named_by_its_host() {
    use std::net::ToSocketAddrs;
    let (store, _) = owned(Switches::default());
    let host = store.url().replace("http://127.0.0.1", "localhost");
    if format!("fruit.{host}").to_socket_addrs().is_err() {
        return fruitnode_tests::say_skipped("a bucket as host: *.localhost has no address here");
    }
    let config = Access::to(&store).config().force_path_style(false);
    let client = Client::from_conf(config.endpoint_url(format!("http://{host}")).build());
    for key in ["a//b", "../c", "/d", "e f+%"] {
        store.put(key, "pear", 0);
        let got = run(client.get_object().bucket("fruit").key(key).send());
        assert_eq!(got.unwrap().content_length(), Some(4), "{key}");
    }
}

#[test]
fn the_library_repeats_what_the_store_asks_it_to() {
    let (store, _) = owned(Switches { slow_down: Which::Every(2), ..Switches::default() });
    store.put("a", "pear", 0);
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let client = Client::from_conf(Access::to(&store).config().retry_config(retries).build());
    for _ in 0..4 {
        run(client.get_object().bucket("fruit").key("a").send()).unwrap();
    }
    assert_eq!(store.counters().gets["a"].whole, 4);
    assert!(store.counters().gets["a"].asked > 4);
}
