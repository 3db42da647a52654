//! Room replica.
