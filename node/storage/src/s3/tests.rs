//! What the source asks of a server, and makes of its answers. The server speaks from a script.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::{Client, Config};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use fruitnode_coordinator::retry::FailureReason;

use super::bucket::Bucket;
use super::patience::Patience;
use super::{S3Options, S3Source};
use crate::{
    DEFAULT_PATTERN, Entry, GetError, ListError, ListSummary, Pattern, Selection, Source,
    list_whole,
};

/// What the server was asked: the first line of each request, with its `if-match`.
type Asked = JoinHandle<Vec<String>>;

/// A source whose server gives these answers in order, one connection each.
fn serve(answers: Vec<String>) -> (S3Source, Asked) {
    let (bucket, server) = bucket(answers, true);
    let out = Some("in/out/".to_owned());
    (S3Source::new("fruits", "in/", out, S3Options::default()).with_bucket(bucket), server)
}

fn bucket(answers: Vec<String>, path_style: bool) -> (Bucket, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut asked = Vec::new();
        let mut answers = VecDeque::from(answers);
        while let Some(answer) = answers.pop_front() {
            let (mut stream, _) = listener.accept().unwrap();
            let head: Vec<String> = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map(|line| line.unwrap())
                .take_while(|line| !line.is_empty())
                .collect();
            let condition = head.iter().find(|line| line.starts_with("if-match"));
            asked.push(format!("{} {}", head[0], condition.map_or("", String::as_str)));
            stream.write_all(answer.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        }
        asked
    });
    // A host named after a bucket is reached as through a proxy: no name needs to be looked up.
    let (endpoint, proxy) = match path_style {
        true => (format!("http://{address}"), ProxyConfig::disabled()),
        false => {
            let proxy = ProxyConfig::http(format!("http://{address}")).unwrap();
            ("http://s3.test".to_owned(), proxy)
        }
    };
    let http = aws_smithy_http_client::Builder::new().build_with_connector_fn(move |_, _| {
        Connector::builder().proxy_config(proxy.clone()).build_http()
    });
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .force_path_style(path_style)
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build();
    let client = Client::from_conf(config);
    let bucket = Bucket::with(client, address.to_string(), ("fruits", "in/"), Patience::None);
    (bucket, server)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
}

fn page(keys: &[(&str, u64)], next: Option<&str>) -> String {
    let mut xml = "<ListBucketResult><EncodingType>url</EncodingType>".to_owned();
    for (key, size) in keys {
        xml += &format!(
            "<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;e&quot;</ETag>\
             <LastModified>2026-01-02T03:04:05.006Z</LastModified></Contents>"
        );
    }
    if let Some(next) = next {
        xml += &format!("<NextContinuationToken>{next}</NextContinuationToken>");
    }
    answer("200 OK", "", &(xml + "</ListBucketResult>"))
}

fn list(source: &S3Source, limit: Option<u64>) -> Result<(Vec<Entry>, ListSummary), ListError> {
    let pattern = Pattern::parse(DEFAULT_PATTERN).unwrap();
    let selection = Selection { limit, ..Selection::recursive(pattern) };
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let (blocks, mut received) = mpsc::channel(9);
        let summary = list_whole(source, &selection, blocks).await?;
        let mut entries = Vec::new();
        while let Some(block) = received.recv().await {
            entries.extend(block);
        }
        Ok((entries, summary))
    })
}

fn get(answer: String) -> (Result<String, GetError>, Vec<String>) {
    get_after(vec![answer])
}

fn get_after(answers: Vec<String>) -> (Result<String, GetError>, Vec<String>) {
    let (source, server) = serve(answers);
    let entry = Entry {
        key: "a b+%/é.jpg".to_owned(),
        size: 5,
        validator: "\"e\"".to_owned(),
        modified_us: 0,
        problem: None,
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let got = runtime.block_on(source.get(&entry, 9));
    let got = got.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
    (got, server.join().unwrap())
}

#[test]
fn every_page_is_listed_with_its_odd_keys_and_without_target_and_markers() {
    let first = [("in/", 0), ("in/a+b%2B%25.jpg", 1), ("in/a%0Ab.jpg", 2), ("in/note.txt", 3)];
    // A line feed comes before a space.
    let first = [first[0], first[2], first[1], first[3]];
    let second = [("in/out/x.jpg", 4), ("in/x/", 0), ("in/x/..%2F%C3%A9.jpg", 5)];
    let (source, server) = serve(vec![page(&first, Some("t+1")), page(&second, None)]);
    let (entries, summary) = list(&source, None).unwrap();
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["a\nb.jpg", "a b+%.jpg", "x/../é.jpg"]);
    assert_eq!((summary.keys, summary.bytes, summary.skipped), (3, 8, 1));
    assert_eq!(summary.others, 2, "folder markers");
    assert_eq!(summary.left_out, ["in/out/"]);
    assert_eq!(
        (entries[0].validator.as_str(), entries[0].modified_us % 1_000_000),
        ("\"e\"", 6_000)
    );
    let asked = server.join().unwrap();
    assert!(asked[0].contains("encoding-type=url") && asked[1].contains("t%2B1"), "{asked:?}");
}

#[test]
fn what_follows_the_survey_is_listed_in_ranges_and_each_page_asked_once() {
    let (first, second) = ([("in/a.jpg", 1), ("in/b.txt", 1)], [("in/c.jpg", 2), ("in/d.txt", 1)]);
    let (third, rest) = ([("in/e.txt", 1)], [("in/f.jpg", 4), ("in/out/x.jpg", 1)]);
    // A look finds nothing to cut at: the rest is one range.
    let (source, server) = serve(vec![
        page(&first, Some("t1")),
        page(&second, Some("t2")),
        page(&[], None),
        page(&third, Some("t3")),
        page(&rest, None),
    ]);
    let (entries, summary) = list(&source, None).unwrap();
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["a.jpg", "c.jpg", "f.jpg"]);
    assert_eq!((summary.keys, summary.bytes, summary.skipped), (3, 7, 3));
    assert_eq!(summary.skipped_examples, ["b.txt", "d.txt", "e.txt"]);
    assert_eq!(summary.left_out, ["in/out/"]);
    let asked = server.join().unwrap();
    for (asked, says) in asked.iter().zip(["prefix=", "t1", "max-keys=1", "d.txt", "t3"]) {
        assert!(asked.contains(says), "{says}: {asked}");
    }
}

#[test]
fn a_limit_asks_for_no_page_more_and_a_wrong_order_is_refused() {
    let keys = [("in/a.jpg", 1), ("in/b.jpg", 1)];
    let (source, server) = serve(vec![page(&keys, Some("more"))]);
    let (entries, summary) = list(&source, Some(1)).unwrap();
    assert_eq!((entries.len(), summary.limited), (1, true));
    server.join().unwrap();
    let (source, _server) = serve(vec![page(&[keys[1], keys[0]], None)]);
    assert!(list(&source, None).unwrap_err().to_string().contains("in/a.jpg"));
}

#[test]
fn what_the_server_refuses_is_said_in_words_with_what_to_do() {
    use FailureReason::{InputMissing, StorageRefused, StorageUnavailable};
    for (status, code, words, reason) in [
        ("404 Not Found", "NoSuchBucket", "no such bucket", InputMissing),
        ("403 Forbidden", "AccessDenied", "s3:ListBucket", StorageRefused),
        ("403 Forbidden", "InvalidAccessKeyId", "does not accept", StorageRefused),
        ("403 Forbidden", "ExpiredToken", "renew", StorageRefused),
        ("403 Forbidden", "RequestTimeTooSkewed", "clock", StorageRefused),
        ("301 Moved", "PermanentRedirect", "eu-west-9", StorageRefused),
        ("400 Bad Request", "AuthorizationHeaderMalformed", "eu-west-9", StorageRefused),
        ("503 Slow Down", "SlowDown", "SlowDown", StorageUnavailable),
    ] {
        let body = format!("<Error><Code>{code}</Code></Error>");
        let head = "x-amz-bucket-region: eu-west-9\r\n";
        let (source, _server) = serve(vec![answer(status, head, &body)]);
        let error = list(&source, None).unwrap_err();
        assert!(error.to_string().contains(words), "{code}: {error}");
        assert!(error.to_string().contains("s3://fruits/in/"), "{code}: {error}");
        assert_eq!(error.reason(), reason, "{code}");
    }
    let (source, server) = serve(vec![]);
    server.join().unwrap();
    let error = list(&source, None).unwrap_err();
    assert!(error.to_string().contains("cannot reach"), "{error}");
    assert_eq!(error.reason(), StorageUnavailable);
}

#[test]
fn a_photograph_is_read_in_its_listed_version_or_its_fault_is_told_from_the_worlds() {
    let (got, asked) = get(answer("200 OK", "etag: \"e\"\r\n", "apple"));
    assert_eq!(got.unwrap(), "apple");
    assert!(asked[0].contains("/fruits/in/a%20b%2B%25/%C3%A9.jpg"), "{asked:?}");
    assert!(asked[0].contains("if-match: \"e\""), "{asked:?}");
    for (status, head, code, outcome) in [
        ("404 Not Found", "", "NoSuchKey", "gone"),
        ("404 Not Found", "", "NoSuchBucket", "input_missing"),
        ("403 Forbidden", "", "AccessDenied", "denied"),
        ("403 Forbidden", "", "InvalidObjectState", "archived"),
        ("403 Forbidden", "", "AllAccessDisabled", "refused"),
        ("405 Method Not Allowed", "", "MethodNotAllowed", "refused"),
        ("400 Bad Request", "", "KMS.DisabledException", "encrypted"),
        ("403 Forbidden", "", "ExpiredToken", "storage_refused"),
        ("500 Internal", "", "InternalError", "storage_unavailable"),
        ("200 OK", "etag: \"f\"\r\n", "", "changed"),
    ] {
        let body = format!("<Error><Code>{code}</Code></Error>");
        let (got, _) = get(answer(status, head, &body));
        assert_eq!(got.unwrap_err().code(), outcome, "{status} {code}");
    }
}

#[test]
fn a_condition_that_a_server_does_not_understand_is_no_change_of_the_photograph() {
    let same = || answer("200 OK", "etag: \"e\"\r\n", "apple");
    let another = || answer("200 OK", "etag: \"f\"\r\n", "apple");
    for (refusal, code) in
        [("412 Precondition Failed", "PreconditionFailed"), ("501 No", "NotImplemented")]
    {
        let refusal = answer(refusal, "", &format!("<Error><Code>{code}</Code></Error>"));
        let (got, asked) = get_after(vec![refusal.clone(), same()]);
        assert_eq!(got.unwrap(), "apple", "{code}");
        assert!(!asked[1].contains("if-match"), "{asked:?}");
        let (got, _) = get_after(vec![refusal, another()]);
        assert_eq!(got.unwrap_err().code(), "changed", "{code}");
    }
    for form in ["e", "W/\"e\"", "\"e-gzip\""] {
        let (got, _) = get(answer("200 OK", &format!("etag: {form}\r\n"), "apple"));
        assert_eq!(got.unwrap(), "apple", "{form}");
    }
}

#[test]
fn the_form_of_a_condition_that_is_understood_is_used_from_then_on() {
    let body = "<Error><Code>PreconditionFailed</Code></Error>";
    let refusal = || answer("412 Precondition Failed", "", body);
    let same = || answer("200 OK", "etag: \"e\"\r\n", "apple");
    let (source, server) = serve(vec![refusal(), same(), refusal(), same(), same()]);
    let entry = Entry {
        key: "a.jpg".to_owned(),
        size: 5,
        validator: "\"e\"".to_owned(),
        modified_us: 0,
        problem: None,
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    for _ in 0..3 {
        assert_eq!(runtime.block_on(source.get(&entry, 9)).unwrap(), "apple");
    }
    let asked = server.join().unwrap();
    for (at, says) in [(0, "if-match: \"e\""), (2, "if-match: e")] {
        assert!(asked[at].contains(says), "{says}: {asked:?}");
    }
    assert!(!asked[4].contains("if-match"), "{asked:?}");
}

#[test]
fn a_row_tells_what_the_store_said_and_not_to_whom() {
    let words = "User: arn:aws:sts::123:assumed-role/r/i-0abc is not authorized to perform: \
                 kms:Decrypt on resource: arn:aws:kms:eu-west-3:123:key/1234abcd";
    let body = format!("<Error><Code>AccessDenied</Code><Message>{words}</Message></Error>");
    let (got, _) = get(answer("403 Forbidden", "", &body));
    let error = got.unwrap_err();
    assert_eq!(error.code(), "encrypted");
    let told = error.to_string();
    assert!(told.contains("not authorized to perform: kms:Decrypt"), "{told}");
    assert!(!told.contains("arn:") && !told.contains("i-0abc"), "{told}");
    let words = "The object was stored using a form of Server Side Encryption.";
    let body = format!("<Error><Code>InvalidRequest</Code><Message>{words}</Message></Error>");
    assert_eq!(get(answer("400 Bad", "", &body)).0.unwrap_err().code(), "encrypted");
}

#[test]
fn a_key_is_asked_for_as_it_is_whatever_it_looks_like() {
    let long = "x".repeat(1_024 - 3);
    for (key, path) in [
        ("../up/./x//y.jpg", "in/../up/./x//y.jpg"),
        ("/a\nb?c#d.jpg", "in//a%0Ab%3Fc%23d.jpg"),
        (long.as_str(), &format!("in/{long}")),
    ] {
        for path_style in [true, false] {
            let answers = vec![answer("200 OK", "etag: \"e\"\r\n", "apple")];
            let (bucket, server) = bucket(answers, path_style);
            let source = S3Source::new("fruits", "in/", None, S3Options::default());
            let source = source.with_bucket(bucket);
            let entry = Entry {
                key: key.to_owned(),
                size: 5,
                validator: "\"e\"".to_owned(),
                modified_us: 0,
                problem: None,
            };
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            assert_eq!(runtime.block_on(source.get(&entry, 9)).unwrap(), "apple");
            let asked = server.join().unwrap();
            let bucket = if path_style { "/fruits/" } else { "http://fruits.s3.test/" };
            assert!(asked[0].starts_with(&format!("GET {bucket}{path}?")), "{asked:?}");
        }
    }
}

#[test]
fn a_server_that_tells_no_versions_is_refused_by_key() {
    let body = "<ListBucketResult><Contents><Key>in/a.jpg</Key><Size>1</Size></Contents>\
                </ListBucketResult>";
    let (source, _server) = serve(vec![answer("200 OK", "", body)]);
    let error = list(&source, None).unwrap_err();
    assert!(error.to_string().contains("`in/a.jpg` without an ETag"), "{error}");
    assert_eq!(error.reason(), FailureReason::InputMissing);
}
