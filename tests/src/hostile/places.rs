//! Files that are hostile by their name or by what they are, and not by what they hold.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Writes them into a folder, each with the bytes of a good photograph. The keys that must be
/// listed, in no order; the code of those that are bad.
pub fn write_places(folder: &Path, photograph: &[u8]) -> Vec<(String, Option<&'static str>)> {
    let mut keys = Vec::new();
    let long = format!("{}.jpg", "x".repeat(251));
    for name in
        ["line\nfeed.jpg", "\"quoted\".jpg", "it's, so.jpg", "=cmd('calc').jpg", "-rf.jpg", &long]
    {
        fs::write(folder.join(name), photograph).expect("room for a file");
        keys.push((name.to_owned(), None));
    }
    let name = OsStr::from_bytes(b"no-\xff-utf8.jpg");
    fs::write(folder.join(name), photograph).expect("room for a file");
    let inside = folder.join("folder.jpg");
    fs::create_dir(&inside).expect("room for a folder");
    fs::write(inside.join("inside.jpg"), photograph).expect("room for a file");
    keys.push(("folder.jpg/inside.jpg".to_owned(), None));
    mknodat(CWD, folder.join("pipe.jpg"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    symlink("nowhere", folder.join("dangling.jpg")).expect("a link");
    keys.push(("dangling.jpg".to_owned(), Some("link_dangling")));
    symlink("loop-b.jpg", folder.join("loop-a.jpg")).expect("a link");
    symlink("loop-a.jpg", folder.join("loop-b.jpg")).expect("a link");
    // 200 MB of zeros that take no room on disk.
    let sparse = File::create(folder.join("200-mb.jpg")).expect("room for a file");
    sparse.set_len(200_000_000).expect("a sparse file");
    keys.push(("200-mb.jpg".to_owned(), Some("file_too_large")));
    keys
}
