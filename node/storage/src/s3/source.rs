//! Photographs below a prefix of a bucket: every page, in key order, each in its listed version.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{OnceCell, mpsc};

use crate::s3::beside::Beside;
use crate::s3::bucket::{Bucket, Listed, NotRead, Page, Query, Read};
use crate::s3::connect::S3Options;
use crate::s3::error::S3Error;
use crate::s3::etag;
use crate::s3::fault::{Fault, Kind};
use crate::s3::ranges::{Cut, Probe};
use crate::select::{OWN_PICTURES, RESULT_SIGNS, Selection};
use crate::source::{Entry, GetError, KeyRange, ListError, ListSummary, Source, Survey};
use crate::tally::Tally;

/// Pages that are listed one after the other before it is worth looking for ranges.
const PAGES_ALONE: u32 = 2;

/// Longest words of a store that go into a row, characters.
const WORDS_CHARS_MAX: usize = 200;

/// A prefix of a bucket.
#[derive(Debug)]
pub struct S3Source {
    uri: String,
    name: String,
    prefix: String,
    leave_out: Option<String>,
    options: S3Options,
    bucket: OnceCell<Bucket>,
    /// The [`Form`] of a condition that the server is known to want.
    form: AtomicU8,
    beside: Beside,
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
        let (bucket, form) = (OnceCell::new(), AtomicU8::default());
        let beside = Beside::default();
        Self { uri, name, prefix, leave_out, options, bucket, form, beside }
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
        let place = &self.prefix;
        unread(key, fault, || bucket.failed(place, "s3:GetObject", fault))
    }

    /// One object in the version that was listed, whatever form of a condition the server knows:
    /// that it answers with this version is looked at in any case.
    async fn read_version(&self, bucket: &Bucket, entry: &Entry) -> Result<Read, NotRead> {
        // Refuses another version, and a part of one.
        let fits = |length: Option<u64>, etag: Option<&str>| {
            let same = etag.is_none_or(|etag| etag == entry.validator);
            match same && length.is_none_or(|length| length == entry.size) {
                true => Ok(entry.size),
                false => Err(String::new()),
            }
        };
        let key = bucket.key(&entry.key);
        let form = Form::of(self.form.load(Ordering::Relaxed));
        let version = match form {
            Form::Quoted => Some(entry.validator.as_str()),
            Form::Bare => Some(etag::bare(&entry.validator)),
            Form::None => None,
        };
        let read = bucket.read(&key, (None, version), fits).await;
        let refused = match &read {
            Err(NotRead::Fault(fault)) => fault.is(412) || fault.is(501),
            _ => false,
        };
        let Some(next) = form.next().filter(|_| refused) else { return read };
        // Of a version that has changed this says so; else it was the condition.
        let without = bucket.read(&key, (None, None), fits).await;
        if without.is_ok() {
            let (order, now) = (Ordering::Relaxed, (form as u8, next as u8));
            let changed = self.form.compare_exchange(now.0, now.1, order, order);
            if changed.is_ok() && next == Form::None {
                let from = &self.uri;
                tracing::info!(from, "the server does not support conditional reads");
            }
        }
        without
    }
}

/// How a server wants the version named of which an object is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Form {
    /// As RFC 9110 has it.
    Quoted,
    /// Without quotes.
    Bare,
    /// Not at all.
    None,
}

impl Form {
    fn of(number: u8) -> Self {
        match number {
            0 => Self::Quoted,
            1 => Self::Bare,
            _ => Self::None,
        }
    }

    /// What is tried after this form was refused.
    fn next(self) -> Option<Self> {
        match self {
            Self::Quoted => Some(Self::Bare),
            Self::Bare => Some(Self::None),
            Self::None => None,
        }
    }
}

/// Whether a photograph is to blame for a read that failed, or the world: a total function of the
/// status and the code. What a store says of a key, a key's encryption or a right on it is the
/// object's; what it says of the caller, the bucket or itself is not. That it fails at one object
/// alone while it answers others is known by then ([`Fault::alone`]).
fn unread(key: &str, fault: &Fault, world: impl FnOnce() -> S3Error) -> GetError {
    let (key, code) = (key.to_owned(), &fault.code[..]);
    let words = || stable(&fault.words());
    if fault.alone.is_some() {
        return GetError::Failing { key, words: words() };
    }
    let encrypted = code.starts_with("KMS.")
        || fault.message.contains("Server Side Encryption")
        || fault.message.contains("kms:");
    match (fault.kind, fault.status, code) {
        (Kind::Answered, Some(400..=499), _) if encrypted => {
            GetError::Encrypted { key, words: words() }
        }
        (Kind::Answered, Some(412), _) => GetError::Changed { key },
        // A bucket that is gone is no photograph's fault.
        (Kind::Answered, Some(404), "NoSuchBucket") => GetError::S3 { key, error: world() },
        (Kind::Answered, Some(404 | 410), _) => GetError::Gone { key },
        // Expired credentials and wrong clocks are 403 as well, and no photograph's fault.
        (Kind::Answered, Some(403), "AccessDenied") => GetError::Forbidden { key },
        // Objects in an archive stay there until someone asks for them.
        (Kind::Answered, Some(403), "InvalidObjectState" | "ObjectNotInActiveTierError") => {
            GetError::Archived { key }
        }
        // A marker of a removal, what a scanner has locked away, what a law forbids.
        (Kind::Answered, Some(405 | 451), _)
        | (Kind::Answered, _, "AllAccessDisabled" | "MethodNotAllowed") => {
            GetError::Refused { key, words: words() }
        }
        _ => GetError::S3 { key, error: world() },
    }
}

/// A store's words as every node is told them: who asked, and under which number, is left out.
fn stable(words: &str) -> String {
    let kept = words.split_whitespace().map(|word| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        match word.contains("arn:") || (word.len() >= 16 && digits >= 4) {
            true => "…",
            false => word,
        }
    });
    let text = kept.collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(WORDS_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
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
        let whole = bucket.key(&entry.key);
        let read = tokio::select! {
            biased;
            read = self.read_version(bucket, entry) => read,
            never = self.beside.watch(bucket, &whole) => match never {},
        };
        if read.is_ok() {
            self.beside.read(&whole);
        }
        match read {
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
            block.extend(self.meet(object).await?);
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

    async fn meet(&mut self, object: &Listed) -> Result<Option<Entry>, ListError> {
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
            let words =
                format!("it lists `{whole}`, which does not start with the requested prefix");
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
        if is_own_picture(self.bucket, whole).await? {
            self.tally.own();
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

/// Whether an object is a picture of a result that this program wrote there.
async fn is_own_picture(bucket: &Bucket, key: &str) -> Result<bool, S3Error> {
    let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
    if !OWN_PICTURES.contains(&name) {
        return Ok(false);
    }
    for sign in RESULT_SIGNS {
        let beside = if folder.is_empty() { sign.to_owned() } else { format!("{folder}/{sign}") };
        if bucket.head(&beside).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
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
