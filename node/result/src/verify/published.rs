//! What a published result must offer to be checked. The storage implements it.

use std::io::{Cursor, Read, Result};

/// A published result, wherever it lies. Names are relative to its root, `/`-separated.
pub trait Published {
    /// Every name below the root, in any order, `_run/` included or not.
    fn list(&self) -> Result<Vec<String>>;

    /// The bytes under a name.
    fn read(&self, name: &str) -> Result<Vec<u8>>;

    /// The bytes under a name, as a stream. Only the CSV table is read in this way: it is the one
    /// file that grows with the job.
    fn open(&self, name: &str) -> Result<Box<dyn Read + '_>> {
        Ok(Box::new(Cursor::new(self.read(name)?)))
    }
}
