#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../bodies/capfile.rs"]
mod bodies;

fuzz_target!(|data: &[u8]| bodies::capfile_unpack(data));
