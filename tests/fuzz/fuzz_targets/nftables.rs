#![no_main]

#[path = "../bodies/nftables.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::nftables(data));
