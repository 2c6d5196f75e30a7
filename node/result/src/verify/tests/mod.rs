//! A small published result, whole and damaged in every way.

mod damage;
mod fixture;
mod forgery;

use std::path::Path;

use crate::model::Standardize;

/// The other end of `tests/reference/output_readers.py`, which reads the folder with the programs
/// that users have.
#[test]
fn a_result_is_left_for_python_where_asked() {
    let Ok(folder) = std::env::var("FRUITNODE_LEAVE_RESULT") else {
        fruitnode_env::skipped::say("FRUITNODE_LEAVE_RESULT names no folder to write to");
        return;
    };
    for (name, standardize, centred) in [
        ("mean", Standardize::Mean, true),
        ("mean-std", Standardize::MeanStd, true),
        ("none", Standardize::None, false),
    ] {
        let (memory, _) = fixture::published(&fixture::facts(standardize, centred));
        for (file, bytes) in memory.0 {
            let path = Path::new(&folder).join(name).join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}
