//! Tests of the networks as a whole: beside other libraries, beside plain Candle, and bit by bit.

mod bits;
mod golden;
mod hostile;
mod inspect;
mod parity;
mod recognition;
mod synthetic;
