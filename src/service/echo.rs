//! The echo services.
