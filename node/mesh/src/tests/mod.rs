//! The mesh over real sockets on loopback.

mod abuse;
mod control;
mod enrolment;
mod floods;
mod handshakes;
mod impostor;
mod logs;
mod looks;
mod peers;
mod roles;
mod strange;
mod streams;
mod world;
