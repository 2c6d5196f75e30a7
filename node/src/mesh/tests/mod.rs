//! The mesh over real sockets on loopback.

mod abuse;
mod control;
mod enrolment;
mod handshakes;
mod impostor;
mod peers;
mod roles;
mod streams;
mod world;
