#![no_main]

#[path = "../bodies/sample.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::sample(data));
