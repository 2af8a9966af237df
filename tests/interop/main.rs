//! Our programs against independent peers written in Python.

#[path = "../support/mod.rs"]
mod support;
