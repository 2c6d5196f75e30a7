//! What the store of the tests promises, tried with the AWS library; and how far other servers keep
//! the same promises: `s3s-fs` in this process, and the one that `FRUITNODE_TEST_S3` names.

#![allow(clippy::result_large_err, reason = "the library's errors are large")]

#[cfg(test)]
mod faults;
#[cfg(test)]
mod place;
#[cfg(test)]
mod promises;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use fruitnode_tests::say_skipped;
use fruitnode_tests::store::Store;

use place::{Access, Place, run};

/// A promise: its name, and what tries it.
type Promise = (&'static str, fn(&Place) -> Pin<Box<dyn Future<Output = ()> + '_>>);

/// Makes a test of each promise to the store, and a table of all for other servers.
macro_rules! promises {
    ($($name:ident),+ $(,)?) => {
        const PROMISES: &[Promise] =
            &[$((stringify!($name), |at| Box::pin(promises::$name(at)))),+];
        $(
            #[test]
            fn $name() {
                let store = Store::new();
                let place = Access::to(&store).place("some/prefix/");
                run(promises::$name(&place));
            }
        )+
    };
}

promises! {
    what_is_put_is_read_back,
    pages_of_any_size_hold_every_key_once_in_byte_order,
    a_listing_holds_what_tells_versions_apart,
    a_listing_may_start_after_any_key,
    a_delimiter_groups_what_lies_deeper,
    any_key_can_be_written_listed_read_and_removed,
    a_range_is_the_bytes_asked_for,
    what_is_not_there_is_said_to_be_missing,
    reads_honour_their_conditions,
    a_copy_holds_the_same_bytes,
    many_keys_are_removed_in_one_request,
    parts_become_one_object,
    unfinished_uploads_are_listed_and_can_be_aborted,
    parts_that_do_not_fit_are_refused,
    a_put_honours_if_none_match,
    a_put_honours_if_match,
    a_copy_honours_if_none_match,
    completing_an_upload_honours_if_none_match,
}

/// What no server can be without that the program reads photographs from or writes results to.
const NEEDED: [&str; 6] = [
    "what_is_put_is_read_back",
    "pages_of_any_size_hold_every_key_once_in_byte_order",
    "a_listing_may_start_after_any_key",
    "a_range_is_the_bytes_asked_for",
    "a_copy_holds_the_same_bytes",
    "many_keys_are_removed_in_one_request",
];

/// The promises a server does not keep, each said aloud.
fn left_out(name: &str, access: &Access) -> Vec<&'static str> {
    let mut left_out = Vec::new();
    for (number, (promise, keep)) in PROMISES.iter().enumerate() {
        let place = access.place(&format!("fruitnode-test-{number}/"));
        let kept = catch_unwind(AssertUnwindSafe(|| {
            run(async {
                empty(&place).await;
                keep(&place).await;
            });
        }));
        if kept.is_err() {
            say_skipped(&format!("{name} does not keep: {}", promise.replace('_', " ")));
            left_out.push(*promise);
        }
        // What it cannot remove stays; it was said above.
        let _ = catch_unwind(AssertUnwindSafe(|| run(empty(&place))));
    }
    left_out
}

/// Removes what an earlier run left below a prefix.
async fn empty(at: &Place) {
    let list = at.client.list_objects_v2().bucket(&at.bucket).prefix(&at.prefix);
    for object in list.send().await.expect("a listing").contents() {
        let key = object.key().expect("every object has a key");
        let _ = at.client.delete_object().bucket(&at.bucket).key(key).send().await;
    }
    let uploads = at.client.list_multipart_uploads().bucket(&at.bucket).prefix(&at.prefix);
    let Ok(uploads) = uploads.send().await else { return };
    for upload in uploads.uploads() {
        let abort = at.client.abort_multipart_upload().bucket(&at.bucket);
        let abort = abort.set_key(upload.key.clone()).set_upload_id(upload.upload_id.clone());
        let _ = abort.send().await;
    }
}

#[test]
fn the_store_keeps_every_promise_in_one_bucket_too() {
    let store = Store::new();
    assert_eq!(left_out("the store", &Access::to(&store)), Vec::<&str>::new());
    assert_eq!(store.keys(""), Vec::<String>::new(), "nothing is left behind");
    assert_eq!(store.unfinished_uploads(), Vec::<String>::new());
}

#[test]
fn a_store_on_files_by_others_keeps_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("fruit")).unwrap();
    let files = s3s_fs::FileSystem::new(folder.path()).unwrap();
    let mut builder = s3s::service::S3ServiceBuilder::new(files);
    let (key, secret) = ("KEY", "SECRET");
    builder.set_auth(s3s::auth::SimpleAuth::from_single(key, secret));
    let url = faults::serve_in_a_thread(builder.build());
    let access = Access {
        url,
        bucket: "fruit".to_owned(),
        region: "us-east-1".to_owned(),
        key: key.to_owned(),
        secret: secret.to_owned(),
    };
    let left_out = left_out("s3s-fs", &access);
    assert!(!left_out.iter().any(|promise| NEEDED.contains(promise)), "{left_out:?}");
}

#[test]
fn the_server_under_test_keeps_what_is_needed() {
    let Ok(url) = std::env::var("FRUITNODE_TEST_S3") else {
        return say_skipped("another server: FRUITNODE_TEST_S3 names none");
    };
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let access = Access {
        url: url.clone(),
        bucket: variable("FRUITNODE_TEST_BUCKET"),
        region: variable("AWS_REGION"),
        key: variable("AWS_ACCESS_KEY_ID"),
        secret: variable("AWS_SECRET_ACCESS_KEY"),
    };
    let left_out = left_out(&url, &access);
    assert!(!left_out.iter().any(|promise| NEEDED.contains(promise)), "{left_out:?}");
}
