#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| meshward_audit::fuzzing::redact(data));
