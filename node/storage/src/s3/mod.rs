//! Photographs and results on S3, and on servers that speak its protocol. Types of the SDK never
//! leave here.

mod ask;
mod beside;
mod bucket;
mod connect;
mod descriptors;
mod earlier;
mod error;
mod etag;
mod fault;
mod fence;
mod holder;
mod lock;
mod object;
mod pace;
mod patience;
mod probe;
mod publication;
mod ranges;
mod result;
mod sink;
mod source;
mod stages;
mod store;
#[cfg(test)]
mod tests;
mod unfinished;
mod upload;
mod write;

pub use connect::{Encryption, S3Options};
pub use descriptors::use_all_descriptors;
pub use error::S3Error;
pub use object::S3Object;
pub use publication::S3Target;
pub use result::S3Result;
pub use sink::{S3Sink, look_s3};
pub use source::S3Source;
pub use store::{Outage, outages};
