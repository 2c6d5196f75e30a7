//! Standardisation and principal components in f64, from moments to scores.
