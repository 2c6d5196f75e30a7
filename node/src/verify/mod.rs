//! Checks a published result from its own files alone.
