//! One voter, several in a room, and hostile bytes.
