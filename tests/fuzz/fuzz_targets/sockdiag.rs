#![no_main]

#[path = "../bodies/sockdiag.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::sockdiag(data));
