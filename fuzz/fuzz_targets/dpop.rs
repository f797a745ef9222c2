#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| meshward_signatures::fuzzing::dpop(data));
