//! The operations of S3 on the objects in memory.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use s3s::auth::Credentials;
use s3s::crypto::{Checksum, Md5};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, BucketLocationConstraint, CommonPrefix,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput,
    CopyObjectResult, CopyPartResult, CopySource, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, ETag, ETagCondition, Error, GetBucketLocationInput,
    GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, MultipartUpload,
    PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp, UploadPartCopyInput,
    UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use super::base64::base64;
use super::bucket::{Object, copied_range, now_s};
use super::conditions::Conditions;
use super::gate::Shared;
use super::listing::{After, Listing, url_encoded};
use super::switches::Right;

/// Uploads in one page of a list of uploads.
const UPLOADS_PER_PAGE: usize = 1_000;

/// Keys that one request may remove.
const REMOVED_KEYS_MAX: usize = 1_000;

#[derive(Debug, Clone)]
pub(super) struct Service(pub(super) Arc<Shared>);

impl Service {
    /// The object, if this caller may read it. Who may not list is not told what is missing.
    fn read(&self, credentials: Option<&Credentials>, key: &str) -> S3Result<Object> {
        let who = who(credentials);
        self.0.allow(who, Right::GetObject, key)?;
        if !self.0.bucket().objects.contains_key(key) {
            self.0.allow(who, Right::ListBucket, key)?;
        }
        self.0.bucket().object(key).cloned()
    }

    fn allow(&self, credentials: Option<&Credentials>, right: Right, key: &str) -> S3Result<()> {
        self.0.allow(who(credentials), right, key)
    }

    fn of_write(
        &self,
        if_match: Option<ETagCondition>,
        if_none_match: Option<ETagCondition>,
    ) -> Conditions {
        Conditions::of_write(if_match, if_none_match, &self.0.switches())
    }

    /// The source of a copy; it must lie in the one bucket there is.
    fn source(&self, source: &CopySource) -> S3Result<String> {
        match source {
            CopySource::Bucket { bucket, key, .. } if **bucket == *self.0.bucket_name => {
                Ok(key.to_string())
            }
            _ => Err(s3_error!(NoSuchBucket, "The source's bucket does not exist")),
        }
    }

    fn note_page(&self, input: &ListObjectsV2Input, keys: usize) {
        let start = input.continuation_token.as_ref().or(input.start_after.as_ref());
        let page = format!(
            "{} after {} at most {}",
            input.prefix.as_deref().unwrap_or_default(),
            start.map_or("nothing", String::as_str),
            input.max_keys.unwrap_or_default(),
        );
        let mut counters = self.0.counters();
        *counters.pages.entry(page).or_default() += 1;
        counters.keys_listed += keys as u64;
    }
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.allow(req.credentials.as_ref(), Right::ListBucket, "")?;
        let bucket_region = Some(self.0.region.clone());
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..Default::default() }))
    }

    async fn get_bucket_location(
        &self,
        _: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        let location_constraint = Some(BucketLocationConstraint::from(self.0.region.clone()));
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        self.allow(req.credentials.as_ref(), Right::ListBucket, &prefix)?;
        let after = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => After::from_token(token)?,
            (None, Some(key)) => After::Key(key.clone()),
            (None, None) => After::Nothing,
        };
        let (keys_most, no_etag) = {
            let switches = self.0.switches();
            (switches.page_keys_max, switches.no_etag_in_lists)
        };
        let wanted = usize::try_from(input.max_keys.unwrap_or(1_000))
            .map_err(|_| s3_error!(InvalidArgument, "max-keys is negative"))?;
        let keys_max = wanted.min(keys_most);
        let page = {
            let listing = Listing { prefix, delimiter: input.delimiter.clone(), after, keys_max };
            self.0.bucket().page(&listing)
        };
        self.note_page(&input, page.contents.len());
        let shown = |text: String| match &input.encoding_type {
            Some(_) => url_encoded(&text),
            None => text,
        };
        let count = page.contents.len() + page.groups.len();
        let contents = page.contents.into_iter().map(|(key, object)| s3s::dto::Object {
            e_tag: (!no_etag).then(|| etag(&object)),
            key: Some(shown(key)),
            last_modified: Some(timestamp(object.modified_s)),
            size: Some(object.body.len() as i64),
            ..Default::default()
        });
        let groups =
            page.groups.into_iter().map(|group| CommonPrefix { prefix: Some(shown(group)) });
        Ok(S3Response::new(ListObjectsV2Output {
            contents: Some(contents.collect()),
            common_prefixes: Some(groups.collect()),
            name: Some(input.bucket),
            prefix: Some(shown(input.prefix.unwrap_or_default())),
            start_after: input.start_after.map(shown),
            delimiter: input.delimiter.map(shown),
            continuation_token: input.continuation_token,
            encoding_type: input.encoding_type.clone(),
            max_keys: Some(i32::try_from(wanted).unwrap_or(i32::MAX)),
            key_count: Some(i32::try_from(count).unwrap_or(i32::MAX)),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|next| next.token()),
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let object = self.read(req.credentials.as_ref(), &input.key)?;
        let conditions =
            Conditions { if_match: input.if_match, if_none_match: input.if_none_match };
        conditions.read(&object)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(object.body.len() as i64),
            e_tag: Some(etag(&object)),
            last_modified: Some(timestamp(object.modified_s)),
            accept_ranges: Some("bytes".to_owned()),
            ..Default::default()
        }))
    }

    async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let object = self.read(req.credentials.as_ref(), &input.key)?;
        let conditions =
            Conditions { if_match: input.if_match, if_none_match: input.if_none_match };
        conditions.read(&object)?;
        let length = object.body.len();
        let (body, content_range) = match input.range {
            None => (object.body.clone(), None),
            Some(range) => {
                let range = range.check(length as u64)?;
                let words = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                let part = object.body.slice(range.start as usize..range.end as usize);
                (part, Some(words))
            }
        };
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(body.len() as i64),
            content_range,
            body: Some(StreamingBlob::from(Body::from(body))),
            e_tag: Some(etag(&object)),
            last_modified: Some(timestamp(object.modified_s)),
            accept_ranges: Some("bytes".to_owned()),
            ..Default::default()
        }))
    }

    async fn put_object(
        &self,
        req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = req.input;
        self.allow(req.credentials.as_ref(), Right::PutObject, &input.key)?;
        let conditions = self.of_write(input.if_match, input.if_none_match);
        let bytes = whole(input.body, input.content_length, input.content_md5).await?;
        let object = Object::new(bytes, now_s());
        let object = self.0.bucket().put(input.key, object, &conditions)?;
        let e_tag = Some(etag(&object));
        Ok(S3Response::new(PutObjectOutput { e_tag, ..Default::default() }))
    }

    async fn copy_object(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        // The two conditions on what is written are newer than the model of the protocol here.
        let header = |name: &str| -> S3Result<Option<ETagCondition>> {
            let value = req.headers.get(name).map(|value| {
                ETagCondition::parse_http_header(value.as_bytes())
                    .map_err(|_| s3_error!(InvalidArgument, "`{name}` is no condition"))
            });
            value.transpose()
        };
        let conditions = self.of_write(header("if-match")?, header("if-none-match")?);
        let credentials = req.credentials;
        let input = req.input;
        self.allow(credentials.as_ref(), Right::PutObject, &input.key)?;
        let source = self.source(&input.copy_source)?;
        self.read(credentials.as_ref(), &source)?;
        let of_source = Conditions {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
        };
        let copy = self.0.bucket().copy(&source, &of_source, input.key, &conditions)?;
        let result = CopyObjectResult {
            e_tag: Some(etag(&copy)),
            last_modified: Some(timestamp(copy.modified_s)),
            ..Default::default()
        };
        let copy_object_result = Some(result);
        Ok(S3Response::new(CopyObjectOutput { copy_object_result, ..Default::default() }))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        self.allow(req.credentials.as_ref(), Right::DeleteObject, &input.key)?;
        let conditions = self.of_write(input.if_match, None);
        self.0.bucket().remove(&input.key, &conditions)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let delete = req.input.delete;
        if delete.objects.is_empty() || delete.objects.len() > REMOVED_KEYS_MAX {
            return Err(s3_error!(MalformedXML, "From 1 to {REMOVED_KEYS_MAX} keys"));
        }
        let mut deleted = Vec::new();
        let mut errors = Vec::new();
        for object in delete.objects {
            let outcome = self
                .allow(req.credentials.as_ref(), Right::DeleteObject, &object.key)
                .and_then(|()| {
                    let version = object.e_tag.map(ETagCondition::ETag);
                    self.0.bucket().remove(&object.key, &self.of_write(version, None))
                });
            let key = Some(object.key);
            match outcome {
                Ok(()) => deleted.push(DeletedObject { key, ..Default::default() }),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    key,
                    ..Default::default()
                }),
            }
        }
        let quiet = delete.quiet.unwrap_or(false);
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: Some(errors),
            ..Default::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        self.allow(req.credentials.as_ref(), Right::PutObject, &input.key)?;
        let id = self.0.bucket().begin_upload(input.key.clone());
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..Default::default()
        }))
    }

    async fn upload_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = req.input;
        self.allow(req.credentials.as_ref(), Right::PutObject, &input.key)?;
        let bytes = whole(input.body, input.content_length, input.content_md5).await?;
        let number = input.part_number;
        let etag = self.0.bucket().put_part(&input.key, &input.upload_id, number, bytes)?;
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(etag), ..Default::default() }))
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = req.input;
        self.allow(req.credentials.as_ref(), Right::PutObject, &input.key)?;
        let source = self.read(req.credentials.as_ref(), &self.source(&input.copy_source)?)?;
        let conditions = Conditions {
            if_match: input.copy_source_if_match,
            if_none_match: input.copy_source_if_none_match,
        };
        conditions.copy_source(&source)?;
        let bytes = match &input.copy_source_range {
            None => source.body,
            Some(range) => source.body.slice(copied_range(range, source.body.len())?),
        };
        let number = input.part_number;
        let etag = self.0.bucket().put_part(&input.key, &input.upload_id, number, bytes)?;
        let result = CopyPartResult {
            e_tag: Some(etag),
            last_modified: Some(timestamp(now_s())),
            ..Default::default()
        };
        let copy_part_result = Some(result);
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result, ..Default::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        self.allow(req.credentials.as_ref(), Right::PutObject, &input.key)?;
        let conditions = self.of_write(input.if_match, input.if_none_match);
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let completed =
            self.0.bucket().complete_upload(&input.key, &input.upload_id, &parts, &conditions)?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag(&completed)),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = req.input;
        self.allow(req.credentials.as_ref(), Right::AbortUpload, &input.key)?;
        self.0.bucket().abort_upload(&input.key, &input.upload_id)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        self.allow(req.credentials.as_ref(), Right::AbortUpload, &input.key)?;
        let parts: Vec<_> = {
            let mut bucket = self.0.bucket();
            let upload = bucket.upload(&input.key, &input.upload_id)?;
            let shown = upload.parts.iter().map(|(number, part)| s3s::dto::Part {
                part_number: Some(*number),
                e_tag: Some(part.etag()),
                size: Some(part.body.len() as i64),
                last_modified: Some(timestamp(part.modified_s)),
                ..Default::default()
            });
            shown.collect()
        };
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(false),
            parts: Some(parts),
            ..Default::default()
        }))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = req.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        self.allow(req.credentials.as_ref(), Right::ListUploads, &prefix)?;
        let key_marker = input.key_marker.clone().unwrap_or_default();
        let marker = (key_marker, input.upload_id_marker.clone());
        let max = input.max_uploads.and_then(|max| usize::try_from(max).ok());
        let max = max.unwrap_or(UPLOADS_PER_PAGE).min(UPLOADS_PER_PAGE);
        let mut found: Vec<(String, String, i64)> = {
            let bucket = self.0.bucket();
            let uploads = bucket.uploads.iter().filter(|(id, upload)| {
                let behind_marker = match &marker.1 {
                    Some(marker_id) => (&upload.key, *id) > (&marker.0, marker_id),
                    None => upload.key > marker.0,
                };
                upload.key.starts_with(&prefix) && (marker.0.is_empty() || behind_marker)
            });
            uploads.map(|(id, upload)| (upload.key.clone(), id.clone(), upload.begun_s)).collect()
        };
        found.sort();
        let truncated = found.len() > max;
        found.truncate(max);
        let shown = |text: &str| match &input.encoding_type {
            Some(_) => url_encoded(text),
            None => text.to_owned(),
        };
        let next = found.last().filter(|_| truncated).cloned();
        let uploads = found.iter().map(|(key, id, begun_s)| MultipartUpload {
            key: Some(shown(key)),
            upload_id: Some(id.clone()),
            initiated: Some(timestamp(*begun_s)),
            ..Default::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            is_truncated: Some(truncated),
            next_key_marker: next.as_ref().map(|(key, _, _)| shown(key)),
            next_upload_id_marker: next.map(|(_, id, _)| id),
            bucket: Some(input.bucket),
            prefix: input.prefix.as_deref().map(shown),
            encoding_type: input.encoding_type.clone(),
            ..Default::default()
        }))
    }
}

fn who(credentials: Option<&Credentials>) -> &str {
    credentials.map(|credentials| credentials.access_key.as_str()).unwrap_or_default()
}

fn etag(object: &Object) -> ETag {
    ETag::Strong(object.etag.to_string())
}

fn timestamp(seconds: i64) -> Timestamp {
    let since = std::time::Duration::from_secs(seconds.unsigned_abs());
    let epoch = std::time::UNIX_EPOCH;
    Timestamp::from(if seconds < 0 { epoch - since } else { epoch + since })
}

/// The whole of a body, as long as it says it is.
async fn whole(
    body: Option<StreamingBlob>,
    length: Option<i64>,
    md5: Option<String>,
) -> S3Result<Bytes> {
    let mut bytes = BytesMut::new();
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            let cut = |_| s3_error!(IncompleteBody, "The body ended before its Content-Length");
            bytes.extend_from_slice(&piece.map_err(cut)?);
        }
    }
    if length.is_some_and(|length| length != bytes.len() as i64) {
        return Err(s3_error!(IncompleteBody, "The body is not as long as its Content-Length"));
    }
    if md5.is_some_and(|md5| md5 != base64(&Md5::checksum(&bytes))) {
        return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match"));
    }
    Ok(bytes.freeze())
}
