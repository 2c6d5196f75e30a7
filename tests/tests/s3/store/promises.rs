//! What S3 promises and the program relies on. Each is tried below a prefix of its own.

use std::collections::BTreeSet;

use aws_sdk_s3::operation::complete_multipart_upload::builders;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, Delete, EncodingType, ObjectIdentifier,
};

use super::place::{Place, refused};

/// Least bytes of a part that is not the last.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Keys that a careless server or client spoils.
pub(crate) const HOSTILE: [&str; 16] = [
    "a b",
    "a+b",
    "a%2Fb",
    "100%",
    "..",
    "../up",
    "./here",
    "a//b",
    "/leading",
    "trailing/",
    "new\nline",
    "tab\there",
    "quo\"te's<&>",
    "caf\u{e9}",
    "cafe\u{301}",
    "\u{1f34e}?versionId=1#x",
];

pub(crate) async fn what_is_put_is_read_back(at: &Place) {
    let etag = at.put("one", b"pear").await;
    assert_eq!(etag, "\"8893dc16b1b2534bab7b03727145a2bb\"", "a single put's ETag is the MD5");
    assert_eq!(at.get("one").await, b"pear");
    let head = at.client.head_object().bucket(&at.bucket).key(at.key("one")).send().await.unwrap();
    assert_eq!(head.content_length, Some(4));
    assert_eq!(head.e_tag.as_deref(), Some(etag.as_str()));
    assert!(head.last_modified.is_some());
    at.put("one", b"").await;
    assert_eq!(at.get("one").await, b"", "a later put replaces, also with nothing");
}

pub(crate) async fn pages_of_any_size_hold_every_key_once_in_byte_order(at: &Place) {
    let names = ["B", "a-b", "a/b", "a0", "b/1", "b/2", "\u{e9}", "z"];
    for name in names {
        at.put(name, name.as_bytes()).await;
    }
    let mut wanted: Vec<String> = names.iter().map(|name| at.key(name)).collect();
    wanted.sort();
    for most in [1, 2, 4, 1_000] {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let list = at.client.list_objects_v2().bucket(&at.bucket).prefix(&at.prefix);
            let page = list.max_keys(most).set_continuation_token(token).send().await.unwrap();
            assert!(page.contents().len() <= most as usize);
            for object in page.contents() {
                found.push(object.key.clone().unwrap());
            }
            token = page.next_continuation_token;
            assert_eq!(page.is_truncated, Some(token.is_some()));
            if token.is_none() {
                break;
            }
        }
        assert_eq!(found, wanted, "pages of {most}");
    }
}

pub(crate) async fn a_listing_holds_what_tells_versions_apart(at: &Place) {
    let etag = at.put("one", b"pear").await;
    let list = at.client.list_objects_v2().bucket(&at.bucket).prefix(&at.prefix);
    let page = list.send().await.unwrap();
    let object = &page.contents()[0];
    assert_eq!(object.e_tag(), Some(etag.as_str()));
    assert_eq!(object.size(), Some(4));
    assert!(object.last_modified().is_some());
}

pub(crate) async fn a_listing_may_start_after_any_key(at: &Place) {
    for name in ["a", "b", "c"] {
        at.put(name, b"x").await;
    }
    for (after, wanted) in [("a", 2), ("aa", 2), ("c", 0)] {
        let list = at.client.list_objects_v2().bucket(&at.bucket).prefix(&at.prefix);
        let page = list.start_after(at.key(after)).send().await.unwrap();
        assert_eq!(page.contents().len(), wanted, "after {after}");
    }
}

pub(crate) async fn a_delimiter_groups_what_lies_deeper(at: &Place) {
    for name in ["a", "b/1", "b/2", "c/d/e"] {
        at.put(name, b"x").await;
    }
    let list = at.client.list_objects_v2().bucket(&at.bucket).prefix(&at.prefix);
    let page = list.delimiter("/").send().await.unwrap();
    let keys: Vec<_> = page.contents().iter().filter_map(|object| object.key.clone()).collect();
    let groups: Vec<_> = page.common_prefixes().iter().filter_map(|p| p.prefix.clone()).collect();
    assert_eq!(keys, [at.key("a")]);
    assert_eq!(groups, [at.key("b/"), at.key("c/")]);
}

pub(crate) async fn any_key_can_be_written_listed_read_and_removed(at: &Place) {
    let long = "k".repeat(1_024 - at.prefix.len());
    let names: BTreeSet<&str> = HOSTILE.iter().copied().chain([long.as_str()]).collect();
    for name in &names {
        at.put(name, name.as_bytes()).await;
    }
    let list = at.client.list_objects_v2().bucket(&at.bucket).prefix(&at.prefix);
    let page = list.encoding_type(EncodingType::Url).send().await.unwrap();
    let found: Vec<String> =
        page.contents().iter().map(|object| decoded(object.key().unwrap())).collect();
    let wanted: Vec<String> = names.iter().map(|name| at.key(name)).collect();
    assert_eq!(found, wanted);
    for name in &names {
        assert_eq!(at.get(name).await, name.as_bytes(), "{name:?}");
        let key = at.key(name);
        at.client.delete_object().bucket(&at.bucket).key(key).send().await.unwrap();
        assert!(!at.has(name).await, "{name:?}");
    }
}

pub(crate) async fn a_range_is_the_bytes_asked_for(at: &Place) {
    at.put("one", b"0123456789").await;
    for (range, wanted) in
        [("bytes=2-4", "234"), ("bytes=7-", "789"), ("bytes=-2", "89"), ("bytes=8-99", "89")]
    {
        let get = at.client.get_object().bucket(&at.bucket).key(at.key("one")).range(range);
        let got = get.send().await.unwrap();
        assert!(got.content_range().is_some_and(|words| words.ends_with("/10")), "{range}");
        assert_eq!(got.body.collect().await.unwrap().to_vec(), wanted.as_bytes(), "{range}");
    }
    let get = at.client.get_object().bucket(&at.bucket).key(at.key("one")).range("bytes=10-");
    assert_eq!(refused(get.send().await), (416, "InvalidRange".to_owned()));
}

pub(crate) async fn what_is_not_there_is_said_to_be_missing(at: &Place) {
    let get = at.client.get_object().bucket(&at.bucket).key(at.key("none")).send().await;
    assert_eq!(refused(get), (404, "NoSuchKey".to_owned()));
    assert!(!at.has("none").await);
    let list = at.client.list_objects_v2().bucket("no-such-bucket-here").send().await;
    assert_eq!(refused(list), (404, "NoSuchBucket".to_owned()));
    let remove = at.client.delete_object().bucket(&at.bucket).key(at.key("none")).send().await;
    remove.expect("removing nothing is no error");
}

pub(crate) async fn reads_honour_their_conditions(at: &Place) {
    let etag = at.put("one", b"pear").await;
    let get = || at.client.get_object().bucket(&at.bucket).key(at.key("one"));
    get().if_match(&etag).send().await.expect("the ETag that is there");
    let refusal = refused(get().if_match("\"00000000000000000000000000000000\"").send().await);
    assert_eq!(refusal, (412, "PreconditionFailed".to_owned()));
    assert_eq!(refused(get().if_none_match(&etag).send().await).0, 304);
}

pub(crate) async fn a_copy_holds_the_same_bytes(at: &Place) {
    let name = "odd name+\u{e9}\u{1f34e}%/x";
    at.put(name, b"pear").await;
    let source = format!("{}/{}", at.bucket, encoded(&at.key(name)));
    let copy = at.client.copy_object().bucket(&at.bucket).key(at.key("copy"));
    let copied = copy.copy_source(&source).send().await.unwrap();
    assert!(copied.copy_object_result.and_then(|result| result.e_tag).is_some());
    assert_eq!(at.get("copy").await, b"pear");
    let source = format!("{}/{}", at.bucket, encoded(&at.key("none")));
    let copy = at.client.copy_object().bucket(&at.bucket).key(at.key("copy"));
    assert_eq!(refused(copy.copy_source(source).send().await).0, 404);
}

pub(crate) async fn many_keys_are_removed_in_one_request(at: &Place) {
    for name in ["a", "b\n", "c"] {
        at.put(name, b"x").await;
    }
    let object = |name: &str| ObjectIdentifier::builder().key(at.key(name)).build().unwrap();
    let objects = ["a", "b\n", "none"].map(object).to_vec();
    let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build().unwrap();
    let removed = at.client.delete_objects().bucket(&at.bucket).delete(delete).send().await;
    assert!(removed.unwrap().errors().is_empty(), "one that is not there is no error");
    assert!(!at.has("a").await && !at.has("b\n").await && at.has("c").await);
}

pub(crate) async fn parts_become_one_object(at: &Place) {
    at.put("source", &[3; 100]).await;
    let upload = Upload::begin(at, "big").await;
    let first = upload.part(1, vec![1; PART_BYTES]).await;
    let second = upload.part(2, vec![2; 10]).await;
    let copy = at.client.upload_part_copy().bucket(&at.bucket).key(at.key("big"));
    let source = format!("{}/{}", at.bucket, encoded(&at.key("source")));
    let copy = copy.upload_id(&upload.id).part_number(2).copy_source(source);
    let copied = copy.copy_source_range("bytes=10-19").send().await.unwrap();
    let etag = copied.copy_part_result.and_then(|result| result.e_tag).unwrap();
    assert_ne!(second.e_tag.as_deref(), Some(etag.as_str()), "the later part counts");
    assert!(!at.has("big").await, "nothing is seen before the end");
    let second = CompletedPart::builder().part_number(2).e_tag(etag).build();
    let etag = upload.complete(vec![first, second]).send().await.unwrap().e_tag.unwrap();
    assert!(etag.ends_with("-2\""), "{etag}");
    let bytes = at.get("big").await;
    assert_eq!(bytes.len(), PART_BYTES + 10);
    assert_eq!(bytes[PART_BYTES..], [3; 10]);
    let uploads = at.client.list_multipart_uploads().bucket(&at.bucket).prefix(&at.prefix);
    assert!(uploads.send().await.unwrap().uploads().is_empty());
}

pub(crate) async fn unfinished_uploads_are_listed_and_can_be_aborted(at: &Place) {
    let upload = Upload::begin(at, "x/big").await;
    Upload::begin(at, "y").await;
    upload.part(1, vec![1; 10]).await;
    let list = || {
        let list = at.client.list_multipart_uploads().bucket(&at.bucket);
        list.prefix(at.key("x/")).send()
    };
    let listed = list().await.unwrap();
    let found: Vec<_> = listed.uploads().iter().filter_map(|upload| upload.upload_id()).collect();
    assert_eq!(found, [upload.id.as_str()], "those below the prefix alone");
    let abort = at.client.abort_multipart_upload().bucket(&at.bucket).key(at.key("x/big"));
    abort.upload_id(&upload.id).send().await.unwrap();
    assert!(list().await.unwrap().uploads().is_empty());
    let part = at.client.upload_part().bucket(&at.bucket).key(at.key("x/big")).part_number(1);
    let part = part.upload_id(&upload.id).body(ByteStream::from_static(b"late")).send().await;
    assert_eq!(refused(part), (404, "NoSuchUpload".to_owned()));
}

pub(crate) async fn parts_that_do_not_fit_are_refused(at: &Place) {
    let upload = Upload::begin(at, "big").await;
    let first = upload.part(1, vec![1; 10]).await;
    let second = upload.part(2, vec![2; 10]).await;
    let small = upload.complete(vec![first.clone(), second.clone()]).send().await;
    assert_eq!(refused(small), (400, "EntityTooSmall".to_owned()));
    let disorder = upload.complete(vec![second, first]).send().await;
    assert_eq!(refused(disorder), (400, "InvalidPartOrder".to_owned()));
    let etag = "\"00000000000000000000000000000000\"";
    let unknown = CompletedPart::builder().part_number(1).e_tag(etag).build();
    let unknown = upload.complete(vec![unknown]).send().await;
    assert_eq!(refused(unknown), (400, "InvalidPart".to_owned()));
    assert!(!at.has("big").await);
}

pub(crate) async fn a_put_honours_if_none_match(at: &Place) {
    let put = || {
        let put = at.client.put_object().bucket(&at.bucket).key(at.key("one")).if_none_match("*");
        put.body(ByteStream::from_static(b"late")).send()
    };
    put().await.expect("nothing is there yet");
    at.put("one", b"pear").await;
    assert_eq!(refused(put().await), (412, "PreconditionFailed".to_owned()));
    assert_eq!(at.get("one").await, b"pear");
}

pub(crate) async fn a_put_honours_if_match(at: &Place) {
    let put = |etag: &str| {
        let put = at.client.put_object().bucket(&at.bucket).key(at.key("one")).if_match(etag);
        put.body(ByteStream::from_static(b"new")).send()
    };
    let etag = at.put("one", b"pear").await;
    put(&etag).await.expect("the ETag that is there");
    assert_eq!(refused(put(&etag).await), (412, "PreconditionFailed".to_owned()));
    at.client.delete_object().bucket(&at.bucket).key(at.key("one")).send().await.unwrap();
    assert_eq!(refused(put(&etag).await), (404, "NoSuchKey".to_owned()));
    assert!(!at.has("one").await);
}

pub(crate) async fn a_copy_honours_if_none_match(at: &Place) {
    at.put("source", b"pear").await;
    let source = format!("{}/{}", at.bucket, encoded(&at.key("source")));
    let copy = || {
        let copy = at.client.copy_object().bucket(&at.bucket).key(at.key("one"));
        copy.copy_source(&source).if_none_match("*").send()
    };
    copy().await.expect("nothing is there yet");
    at.put("one", b"apple").await;
    assert_eq!(refused(copy().await), (412, "PreconditionFailed".to_owned()));
    assert_eq!(at.get("one").await, b"apple");
}

pub(crate) async fn completing_an_upload_honours_if_none_match(at: &Place) {
    at.put("big", b"apple").await;
    let upload = Upload::begin(at, "big").await;
    let part = upload.part(1, vec![1; 10]).await;
    let late = upload.complete(vec![part]).if_none_match("*").send().await;
    assert_eq!(refused(late), (412, "PreconditionFailed".to_owned()));
    assert_eq!(at.get("big").await, b"apple");
}

/// An upload in parts.
struct Upload<'a> {
    at: &'a Place,
    key: String,
    id: String,
}

impl<'a> Upload<'a> {
    async fn begin(at: &'a Place, name: &str) -> Self {
        let key = at.key(name);
        let create = at.client.create_multipart_upload().bucket(&at.bucket).key(&key);
        let id = create.send().await.unwrap().upload_id.unwrap();
        Self { at, key, id }
    }

    async fn part(&self, number: i32, bytes: Vec<u8>) -> CompletedPart {
        let part = self.at.client.upload_part().bucket(&self.at.bucket).key(&self.key);
        let part = part.upload_id(&self.id).part_number(number).body(ByteStream::from(bytes));
        let etag = part.send().await.unwrap().e_tag.unwrap();
        CompletedPart::builder().part_number(number).e_tag(etag).build()
    }

    fn complete(
        &self,
        parts: Vec<CompletedPart>,
    ) -> builders::CompleteMultipartUploadFluentBuilder {
        let complete = self.at.client.complete_multipart_upload().bucket(&self.at.bucket);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        complete.key(&self.key).upload_id(&self.id).multipart_upload(parts)
    }
}

/// A key as the source of a copy names it.
fn encoded(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    key.bytes()
        .map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A key as a listing with `encoding-type=url` gives it.
fn decoded(key: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = key.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let digits = std::str::from_utf8(&rest[..2]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &rest[2..];
            }
            b'+' => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}
