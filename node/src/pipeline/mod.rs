//! From the bytes of a photograph to the tensor that a network takes.
