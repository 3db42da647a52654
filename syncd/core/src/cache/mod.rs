//! Room cache.
