//! Draws synthetic photographs of fruit, so that a first run needs no data.
