#![no_main]

#[path = "../bodies/ping.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::ping(data));
