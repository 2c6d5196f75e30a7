//! Photographs below a prefix of a bucket: every page, in key order, each in its listed version.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{OnceCell, mpsc};

use crate::s3::bucket::{Bucket, Listed, NotRead, Page, Query};
use crate::s3::connect::S3Options;
use crate::s3::error::S3Error;
use crate::s3::fault::Fault;
use crate::s3::ranges::{Cut, Probe};
use crate::select::Selection;
use crate::source::{Entry, GetError, KeyRange, ListError, ListSummary, Source, Survey};
use crate::tally::Tally;

/// Pages that are listed one after the other before it is worth looking for ranges.
const PAGES_ALONE: u32 = 2;

/// A prefix of a bucket.
#[derive(Debug)]
pub struct S3Source {
    uri: String,
    name: String,
    prefix: String,
    leave_out: Option<String>,
    options: S3Options,
    bucket: OnceCell<Bucket>,
}

/// The listing of a range under way.
struct Listing<'a> {
    source: &'a S3Source,
    bucket: &'a Bucket,
    /// Whether folders are not entered.
    shallow: bool,
    range: &'a KeyRange,
    tally: Tally,
    /// Asks for the next page.
    next: Option<String>,
    /// First key that was met.
    first: String,
    /// Last key that was met, or what comes before the first.
    last: String,
    /// Whether the last page was the last one.
    over: bool,
}

impl S3Source {
    /// Everything below `prefix`, which is empty or ends with `/`, but what lies below `leave_out`
    /// (the whole prefix of the job's target, in the same bucket).
    ///
    /// # Errors
    /// When the bucket cannot be reached or listed, or nothing lies below the prefix.
    pub async fn open(
        bucket: &str,
        prefix: &str,
        leave_out: Option<String>,
        options: S3Options,
    ) -> Result<Self, ListError> {
        let source = Self::new(bucket, prefix, leave_out, options);
        if source.bucket().await?.is_empty().await? {
            return Err(ListError::Empty { from: source.uri });
        }
        Ok(source)
    }

    /// Without a look at what is there.
    pub(super) fn new(
        bucket: &str,
        prefix: &str,
        leave_out: Option<String>,
        options: S3Options,
    ) -> Self {
        let uri = format!("s3://{bucket}/{prefix}");
        let (name, prefix) = (bucket.to_owned(), prefix.to_owned());
        Self { uri, name, prefix, leave_out, options, bucket: OnceCell::new() }
    }

    /// With a client that is there already.
    #[cfg(test)]
    pub(super) fn with_bucket(self, bucket: Bucket) -> Self {
        Self { bucket: OnceCell::new_with(Some(bucket)), ..self }
    }

    async fn bucket(&self) -> Result<&Bucket, S3Error> {
        let reach = || Bucket::reach(&self.name, &self.prefix, &self.options);
        self.bucket.get_or_try_init(reach).await
    }

    /// The error of a read: of the photograph, or of the world.
    fn unread(&self, bucket: &Bucket, key: &str, fault: &Fault) -> GetError {
        let (key, code) = (key.to_owned(), &fault.code[..]);
        match fault.status {
            Some(412) => GetError::Changed { key },
            // A bucket that is gone is no photograph's fault.
            Some(404) if code != "NoSuchBucket" => GetError::Gone { key },
            // Expired credentials and wrong clocks are 403 as well, and no photograph's fault.
            Some(403) if code == "AccessDenied" => GetError::Forbidden { key },
            // Objects in an archive stay there until someone asks for them.
            Some(403) if code == "InvalidObjectState" => GetError::Archived { key },
            _ => GetError::S3 { key, error: bucket.failed(&self.prefix, "s3:GetObject", fault) },
        }
    }
}

#[async_trait]
impl Source for S3Source {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn others(&self) -> &'static str {
        "folder markers"
    }

    /// A limit is met near the beginning, and folders cannot be cut.
    async fn survey(&self, selection: &Selection) -> Result<Option<Survey>, ListError> {
        if selection.limit.is_some() || !selection.recursive {
            return Ok(None);
        }
        let everything = KeyRange::default();
        let mut listing = Listing::begin(self, selection, &everything).await?;
        let mut entries = Vec::new();
        for _ in 0..PAGES_ALONE {
            entries.extend(listing.next().await?.unwrap_or_default());
        }
        let ranges = match listing.over {
            true => Vec::new(),
            false => cut(listing.bucket, &listing.first, &listing.last).await?,
        };
        Ok(Some(Survey { entries, summary: listing.tally.finish(), ranges }))
    }

    async fn list(
        &self,
        selection: &Selection,
        range: &KeyRange,
        blocks: mpsc::Sender<Vec<Entry>>,
    ) -> Result<ListSummary, ListError> {
        let mut listing = Listing::begin(self, selection, range).await?;
        while let Some(block) = listing.next().await? {
            if !block.is_empty() {
                let stopped = |_| ListError::Stopped { from: self.uri.clone() };
                blocks.send(block).await.map_err(stopped)?;
            }
        }
        Ok(listing.tally.finish())
    }

    async fn get(&self, entry: &Entry, bytes_max: u64) -> Result<Bytes, GetError> {
        let key = || entry.key.clone();
        if let Some(problem) = entry.problem {
            return Err(GetError::Listed { key: key(), problem });
        }
        if entry.size > bytes_max {
            return Err(GetError::TooLarge { key: key(), size: entry.size, bytes_max });
        }
        let failed = |error| GetError::S3 { key: key(), error };
        let bucket = self.bucket().await.map_err(failed)?;
        // Refuses another version, and a part of one.
        let fits = |length: Option<u64>, etag: Option<&str>| {
            let same = etag.is_none_or(|etag| etag == entry.validator);
            match same && length.is_none_or(|length| length == entry.size) {
                true => Ok(entry.size),
                false => Err(String::new()),
            }
        };
        let whole = bucket.key(&entry.key);
        match bucket.read(&whole, (None, Some(entry.validator.as_str())), fits).await {
            Ok(read) => Ok(read.bytes),
            Err(NotRead::Refused(_)) => Err(GetError::Changed { key: key() }),
            Err(NotRead::Fault(fault)) => Err(self.unread(bucket, &entry.key, &fault)),
        }
    }
}

impl<'a> Listing<'a> {
    async fn begin(
        source: &'a S3Source,
        selection: &'a Selection,
        range: &'a KeyRange,
    ) -> Result<Self, S3Error> {
        Ok(Self {
            source,
            bucket: source.bucket().await?,
            shallow: !selection.recursive,
            range,
            tally: Tally::of(selection.clone()),
            next: None,
            first: String::new(),
            last: range.after.clone(),
            over: false,
        })
    }

    /// What the next page gives, until the limit. Nothing at the end of the range.
    async fn next(&mut self) -> Result<Option<Vec<Entry>>, ListError> {
        if self.over {
            return Ok(None);
        }
        let (after, shallow) = (self.range.after.as_str(), self.shallow);
        let after = Some(after).filter(|after| !after.is_empty());
        let (prefix, next) = (self.source.prefix.as_str(), self.next.take());
        let query = Query { prefix, after, next, shallow, ..Query::default() };
        let page = self.bucket.page(query).await?;
        self.folders(&page);
        let mut block = Vec::with_capacity(page.objects.len());
        for object in &page.objects {
            self.over |= self.range.up_to.as_ref().is_some_and(|up_to| object.key > *up_to);
            self.over |= self.tally.full();
            if self.over {
                break;
            }
            block.extend(self.meet(object)?);
        }
        self.next = page.next;
        self.over |= self.next.is_none() || self.tally.full();
        Ok(Some(block))
    }

    /// Counts the folders that are not entered.
    fn folders(&mut self, page: &Page) {
        let out = self.source.leave_out.as_deref();
        for folder in &page.folders {
            match out.filter(|out| folder == out) {
                Some(out) => self.tally.left_out(out),
                None => self.tally.subfolders(1),
            }
        }
    }

    fn meet(&mut self, object: &Listed) -> Result<Option<Entry>, ListError> {
        let (whole, source) = (&object.key, self.source);
        let place = || source.uri.clone();
        if *whole <= self.last {
            return Err(S3Error::Unordered { place: place(), key: whole.clone() }.into());
        }
        self.last.clone_from(whole);
        if self.first.is_empty() {
            self.first.clone_from(whole);
        }
        let Some(key) = whole.strip_prefix(&source.prefix) else {
            let words = format!("it lists `{whole}`, which does not begin as was asked");
            return Err(S3Error::Nonsense { place: place(), words }.into());
        };
        if let Some(out) = source.leave_out.as_deref().filter(|out| whole.starts_with(out)) {
            self.tally.left_out(out);
            return Ok(None);
        }
        // Consoles mark a folder by an empty object.
        if object.size == 0 && (key.is_empty() || key.ends_with('/')) {
            self.tally.other();
            return Ok(None);
        }
        if !self.tally.selects(key) {
            return Ok(None);
        }
        let Some(validator) = object.etag.clone() else {
            return Err(S3Error::NoEtag { place: place(), key: whole.clone() }.into());
        };
        let (key, size, modified_us) = (key.to_owned(), object.size, object.modified_us);
        let entry = Entry { key, size, validator, modified_us, problem: None };
        let entry = self.tally.timely(entry);
        if let Some(entry) = &entry {
            self.tally.count(entry);
        }
        Ok(entry)
    }
}

/// Asks for single keys until the rest of the prefix can be cut.
async fn cut(bucket: &Bucket, first: &str, after: &str) -> Result<Vec<KeyRange>, S3Error> {
    let mut cut = Cut::new(&bucket.prefix, first, after);
    // A guess that fails leads back to a question that was answered before.
    let mut answers: BTreeMap<Probe, Option<String>> = BTreeMap::new();
    while let Some(probe) = cut.question() {
        if let Some(known) = answers.get(&probe) {
            cut.answer(known.as_deref());
            continue;
        }
        let (prefix, after) = (probe.prefix.as_str(), Some(probe.after.as_str()));
        let query = Query { prefix, after, keys_max: Some(1), ..Query::default() };
        let page = bucket.page(query).await?;
        let found = page.objects.into_iter().next().map(|object| object.key);
        cut.answer(found.as_deref());
        answers.insert(probe, found);
    }
    Ok(cut.ranges())
}
