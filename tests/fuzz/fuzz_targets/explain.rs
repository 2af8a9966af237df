#![no_main]

#[path = "../bodies/explain.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::explain(data));
