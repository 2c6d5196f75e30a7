//! A small published result, whole and damaged in every way.

mod damage;
mod fixture;
mod forgery;
