//! Jobs over S3: what stores do, refuse and lose; and the store of these tests itself.

mod errors;
mod frozen;
mod habits;
mod job;
mod killed;
mod members;
mod outages;
mod store;
mod weights;
