//! The edge: kernel, clock, terminal, environment.
