//! The names in one folder, in the order in which their keys follow each other.
//!
//! A folder of any size takes the memory of one run: names are sorted in runs of bounded length,
//! which wait in an unnamed temporary file and are merged while they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, DirEntry, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::vec;

/// Names sorted in memory at a time; about 10 MB.
pub(super) const RUN_NAMES_MAX: usize = 100_000;

/// Buffer per run while runs are merged.
const RUN_BUFFER_BYTES: usize = 32 * 1024;

/// What a name stands for. Symbolic links count as what they lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link that leads to nothing.
    Dangling,
    /// A link whose target may not be looked at.
    Denied,
    /// A pipe, device or socket.
    Other,
}

/// A name in a folder. Ordered as the keys are that begin with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// The part of the key; a folder's ends with `/`, so that `a-b` stands before `a/b`.
    part: String,
    kind: Kind,
    /// The name on disk where it is not UTF-8, so that `part` differs from it.
    raw: Option<Vec<u8>>,
}

/// The names of one folder in ascending order.
pub(super) enum SortedNames {
    /// All in memory.
    Held(vec::IntoIter<Name>),
    /// Merged from runs on disk.
    Merged(Merge),
}

/// A merge of sorted runs.
pub(super) struct Merge {
    runs: Vec<BufReader<Segment>>,
    heads: BinaryHeap<Reverse<(Name, usize)>>,
}

/// A part of a file, read independently of others.
struct Segment {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Name {
    /// The part of the key this name contributes; a folder's ends with `/`.
    pub(super) fn part(&self) -> &str {
        &self.part
    }

    /// What it stands for.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the name on disk is UTF-8.
    pub(super) fn is_utf8(&self) -> bool {
        self.raw.is_none()
    }

    /// The name on disk.
    pub(super) fn on_disk(&self) -> &OsStr {
        match &self.raw {
            Some(raw) => OsStr::from_bytes(raw),
            None => OsStr::new(self.part.strip_suffix('/').unwrap_or(&self.part)),
        }
    }

    fn new(name: OsString, kind: Kind) -> Self {
        let (mut part, raw) = match name.into_string() {
            Ok(name) => (name, None),
            Err(name) => (escaped(name.as_bytes()), Some(name.into_vec())),
        };
        if kind == Kind::Folder {
            part.push('/');
        }
        Self { part, kind, raw }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&[self.kind as u8, u8::from(self.raw.is_some())])?;
        write_bytes(out, self.part.as_bytes())?;
        self.raw.as_ref().map_or(Ok(()), |raw| write_bytes(out, raw))
    }

    /// The next name of a run, or nothing at its end.
    fn read(run: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 2];
        if run.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        run.read_exact(&mut head[1..])?;
        let kind = [Kind::File, Kind::Folder, Kind::Dangling, Kind::Denied, Kind::Other]
            .into_iter()
            .find(|kind| *kind as u8 == head[0])
            .ok_or_else(damaged)?;
        let part = String::from_utf8(read_bytes(run)?).map_err(|_| damaged())?;
        let raw = if head[1] == 1 { Some(read_bytes(run)?) } else { None };
        Ok(Some(Self { part, kind, raw }))
    }
}

impl SortedNames {
    /// Reads a folder, keeping at most `run_names_max` names in memory.
    pub(super) fn read(folder: &Path, run_names_max: usize) -> io::Result<Self> {
        let mut names = Vec::new();
        let mut spill: Option<BufWriter<File>> = None;
        let mut ends = Vec::new();
        let mut written = 0;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if let Some(kind) = kind_of(&entry)? {
                names.push(Name::new(entry.file_name(), kind));
            }
            if names.len() == run_names_max {
                let out = match &mut spill {
                    Some(out) => out,
                    None => spill.insert(BufWriter::new(tempfile::tempfile()?)),
                };
                written += write_run(&mut names, out)?;
                ends.push(written);
            }
        }
        names.sort_unstable();
        let Some(mut out) = spill else {
            return Ok(Self::Held(names.into_iter()));
        };
        written += write_run(&mut names, &mut out)?;
        ends.push(written);
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Self::Merged(Merge::new(file, &ends)?))
    }
}

impl Iterator for SortedNames {
    type Item = io::Result<Name>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Held(names) => names.next().map(Ok),
            Self::Merged(merge) => merge.next().transpose(),
        }
    }
}

impl Merge {
    fn new(file: File, ends: &[u64]) -> io::Result<Self> {
        let file = Arc::new(file);
        let mut at = 0;
        let mut merge = Self { runs: Vec::new(), heads: BinaryHeap::new() };
        for (run, end) in ends.iter().enumerate() {
            let segment = Segment { file: Arc::clone(&file), at, end: *end };
            merge.runs.push(BufReader::with_capacity(RUN_BUFFER_BYTES, segment));
            merge.refill(run)?;
            at = *end;
        }
        Ok(merge)
    }

    fn next(&mut self) -> io::Result<Option<Name>> {
        let Some(Reverse((name, run))) = self.heads.pop() else {
            return Ok(None);
        };
        self.refill(run)?;
        Ok(Some(name))
    }

    fn refill(&mut self, run: usize) -> io::Result<()> {
        if let Some(name) = Name::read(&mut self.runs[run])? {
            self.heads.push(Reverse((name, run)));
        }
        Ok(())
    }
}

impl Read for Segment {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let got = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

/// The kind of an entry, or nothing if it vanished while it was looked at.
fn kind_of(entry: &DirEntry) -> io::Result<Option<Kind>> {
    let kind = match entry.file_type() {
        Ok(kind) => kind,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = if kind.is_symlink() {
        match fs::metadata(entry.path()) {
            Ok(target) => target.file_type(),
            Err(error) => return link_trouble(error).map(Some),
        }
    } else {
        kind
    };
    Ok(Some(if kind.is_dir() {
        Kind::Folder
    } else if kind.is_file() {
        Kind::File
    } else {
        Kind::Other
    }))
}

fn link_trouble(error: io::Error) -> io::Result<Kind> {
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return Ok(Kind::Dangling);
    }
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Kind::Dangling),
        io::ErrorKind::PermissionDenied => Ok(Kind::Denied),
        _ => Err(error),
    }
}

/// Writes a run in order, empties `names`, and returns the bytes written.
fn write_run(names: &mut Vec<Name>, out: &mut BufWriter<File>) -> io::Result<u64> {
    names.sort_unstable();
    let mut bytes = Vec::new();
    let mut written = 0;
    for name in names.drain(..) {
        bytes.clear();
        name.write(&mut bytes)?;
        out.write_all(&bytes)?;
        written += bytes.len() as u64;
    }
    Ok(written)
}

fn write_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(|_| damaged())?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

fn read_bytes(run: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    run.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::from(u16::from_le_bytes(length))];
    run.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a temporary file of the listing is damaged")
}

/// Writes `%XX` for each byte that is not part of a UTF-8 character.
fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs::{self, File};
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::symlink;

    use super::{Kind, Name, RUN_NAMES_MAX, SortedNames, escaped};

    fn folder_of_many_kinds() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a-b", "a.b", "a0", "é", "line\nbreak"] {
            File::create(folder.path().join(name)).unwrap();
        }
        fs::create_dir(folder.path().join("a")).unwrap();
        File::create(folder.path().join(OsString::from_vec(b"bad\xFF".to_vec()))).unwrap();
        symlink("b", folder.path().join("link")).unwrap();
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        symlink("self", folder.path().join("self")).unwrap();
        folder
    }

    fn read(folder: &tempfile::TempDir, run_names_max: usize) -> Vec<Name> {
        SortedNames::read(folder.path(), run_names_max).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn names_stand_in_the_order_of_their_keys() {
        let names = read(&folder_of_many_kinds(), RUN_NAMES_MAX);
        let parts: Vec<&str> = names.iter().map(Name::part).collect();
        let wanted = [
            "a-b",
            "a.b",
            "a/",
            "a0",
            "b",
            "bad%FF",
            "dangling",
            "line\nbreak",
            "link",
            "self",
            "é",
        ];
        assert_eq!(parts, wanted);
        assert_eq!(names[6].kind(), Kind::Dangling);
        assert_eq!(names[8].kind(), Kind::File);
        assert_eq!(names[9].kind(), Kind::Dangling);
    }

    #[test]
    fn runs_on_disk_merge_to_what_memory_gives() {
        let folder = folder_of_many_kinds();
        let held = read(&folder, RUN_NAMES_MAX);
        for run_names_max in [1, 2, 3, 11] {
            assert_eq!(read(&folder, run_names_max), held, "{run_names_max} names at a time");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_escaped_and_the_rest_is_kept() {
        assert_eq!(escaped(b"p\xC3\xA9ch\xE9.jpg"), "péch%E9.jpg");
        let name = Name::new(OsString::from_vec(vec![0xFF]), Kind::Folder);
        assert_eq!(name.part(), "%FF/");
        assert_eq!(name.on_disk(), OsString::from_vec(vec![0xFF]));
    }
}
