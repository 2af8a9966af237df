#![no_main]

#[path = "../bodies/http.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::http(data));
