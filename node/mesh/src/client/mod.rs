//! The calling side: [`Peers`] for nodes among themselves, [`Contact`] for people, [`enroll`] for
//! whoever wants to join, and [`readmit`] for who was away for too long.

mod contact;
mod enrol;
pub(super) mod link;
mod look;
mod peers;
mod refusals;
mod route;
mod stagger;

pub use contact::{CALL_LIMIT, Contact};
pub use enrol::{enroll, readmit};
pub use link::is_there;
pub use peers::Peers;
pub use stagger::first_of;
