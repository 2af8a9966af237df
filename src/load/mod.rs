//! Pure: a load run.
