//! The application protocol.
