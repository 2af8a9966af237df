#![no_main]

#[path = "../bodies/rtnetlink.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::rtnetlink(data));
