//! FTFW alone. Written next.
