//! Writers of everything a job publishes. Equal input gives equal bytes.
