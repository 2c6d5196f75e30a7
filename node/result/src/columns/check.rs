//! What holds for rows of every kind before they are written and after they are read.

use crate::error::WriteError;
use crate::rows::Subject;

/// Refuses rows out of key order, values that do not fill the rows, and values that are no numbers.
pub(crate) fn check_rows(
    subjects: &[Subject],
    columns: usize,
    values: &[f32],
) -> Result<(), WriteError> {
    check_subjects(subjects.iter())?;
    if subjects.len().checked_mul(columns) != Some(values.len()) {
        return Err(WriteError::Shape { rows: subjects.len(), columns, values: values.len() });
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(WriteError::NotFinite {
            path: subjects[at / columns].path.clone(),
            column: at % columns,
        }),
    }
}

/// Refuses keys that do not ascend strictly, in byte order, and sizes beyond 63 bits.
pub(super) fn check_subjects<'a>(
    subjects: impl Iterator<Item = &'a Subject>,
) -> Result<(), WriteError> {
    let mut before: Option<&Subject> = None;
    for subject in subjects {
        if let Some(before) = before.filter(|before| before.path >= subject.path) {
            return Err(WriteError::Order {
                before: before.path.clone(),
                after: subject.path.clone(),
            });
        }
        if i64::try_from(subject.size).is_err() {
            return Err(WriteError::Size { path: subject.path.clone(), size: subject.size });
        }
        before = Some(subject);
    }
    Ok(())
}
