//! The control plane: what leader, members, workers and voters do next, as step machines.
//!
//! ```text
//!              office                       leader                    member        worker
//! replica ----- News -----> +--------+ --- ToMember (stream) ---> +--------+ Order +--------+
//!    ^                      | Leader |                            | Member | ----> |Attempts|
//!    +------ Propose ------ +--------+ <-- FromMember (stream) -- +--------+ <---- +--------+
//!                               |  Admit                                     Report
//!                               v
//!                            Voter: whether this process takes part in the log
//! ```
//!
//! Each machine takes one input at a time and says what is to be done about it. Time is a count of
//! ticks of 100 ms, streams are numbers, and what a machine needs of the world it is given: the
//! state, the standing of the replica, the roster. A node carries sockets, files and tasks around
//! the machines, the simulator a virtual network: both drive the very same ones, so that what is
//! simulated is what runs.
//!
//! A machine notes each of its branches by name ([`Reached`]), so that whoever tries it can tell
//! what was never tried.

pub mod leader;
pub mod member;
pub mod message;
pub mod office;
mod reached;
pub mod voter;
pub mod worker;

pub use reached::Reached;
