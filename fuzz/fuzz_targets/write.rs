//! `rosettar_fuzz::targets::write`, given inputs by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rosettar_fuzz::targets::write::run(data));
