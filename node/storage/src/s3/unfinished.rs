//! Uploads of parts that dead runs left: they cost money and are seen in no listing.

use tracing::{info, warn};

use crate::s3::bucket::Bucket;
use crate::s3::error::S3Error;
use crate::s3::patience::{Load, within};

/// Gives up every unfinished upload to a name that a result has, but for those of the job itself:
/// of its nodes another one may be at it. Whoever calls it holds the lock.
///
/// Where uploads may not be listed, or the server cannot, they stay, and that is said.
pub(super) async fn give_up_dead_uploads(
    bucket: &Bucket,
    job: &str,
    is_ours: fn(&str) -> bool,
) -> Result<(), S3Error> {
    let own = format!("_run/{job}/");
    let (mut key_marker, mut id_marker) = (None, None);
    loop {
        let list = || {
            let list = bucket.client.list_multipart_uploads().bucket(&bucket.name);
            let list = list.prefix(&bucket.prefix).set_key_marker(key_marker.clone());
            list.set_upload_id_marker(id_marker.clone()).send()
        };
        let page = match bucket.ask(Load::default(), |limit| within(limit, list())).await {
            Ok(page) => page,
            Err(fault)
                if matches!(fault.status, Some(403 | 404 | 405 | 501))
                    || fault.code == "NotImplemented" =>
            {
                let words = bucket.failed(&bucket.prefix, "s3:ListBucketMultipartUploads", &fault);
                info!(%words, "cannot list unfinished uploads of dead runs: if there are any, they \
                               stay");
                return Ok(());
            }
            Err(fault) => {
                let right = "s3:ListBucketMultipartUploads";
                return Err(bucket.failed(&bucket.prefix, right, &fault));
            }
        };
        for upload in page.uploads() {
            let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
            let name = key.strip_prefix(&bucket.prefix).unwrap_or(key);
            if !is_ours(name) || name.starts_with(&own) {
                continue;
            }
            let abort = || {
                let abort = bucket.client.abort_multipart_upload().bucket(&bucket.name);
                abort.key(key).upload_id(id).send()
            };
            match bucket.ask(Load::default(), |limit| within(limit, abort())).await {
                Ok(_) => {}
                Err(fault) if fault.is(404) => {}
                Err(fault) => {
                    let error = bucket.failed(key, "s3:AbortMultipartUpload", &fault);
                    warn!(%error, "cannot abort an unfinished upload of a dead run");
                }
            }
        }
        if page.is_truncated != Some(true) || page.next_key_marker.is_none() {
            return Ok(());
        }
        (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
    }
}
