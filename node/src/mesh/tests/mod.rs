//! The mesh over real sockets on loopback.
