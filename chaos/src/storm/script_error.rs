//! What is wrong with a script, in words.

/// A script that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// An operation that does not exist.
    #[error("`{0}` is no operation: a line is `+SECONDS OPERATION [WHOM]`, as a failure prints it")]
    Operation(String),
    /// A partition that does not exist.
    #[error("`{0}` is no partition: say drop or reject, a shape, and whom it is about")]
    Partition(String),
    /// A line that sets nothing.
    #[error("`{0}` says nothing: a script begins with `nodes N`, `voters N` and `jobs …`")]
    Head(String),
}
