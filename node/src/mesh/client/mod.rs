//! The calling side: [`Peers`] for nodes among themselves, [`Contact`] for people, and [`enroll`]
//! for whoever wants to join.

mod contact;
mod enrol;
pub(super) mod link;
mod peers;
mod route;

pub use contact::{CALL_LIMIT, Contact};
pub use enrol::enroll;
pub use peers::Peers;
