//! Count, mean and centred second moments of feature rows: computed per partition, merged pairwise.
