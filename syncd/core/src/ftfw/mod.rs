//! Room ftfw.
