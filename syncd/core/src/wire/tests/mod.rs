//! Tests of the room, by file.
