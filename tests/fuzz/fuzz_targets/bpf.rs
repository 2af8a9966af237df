#![no_main]

#[path = "../bodies/bpf.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::bpf(data));
