//! A deterministic simulator of a whole cluster, over the coordinator alone.
