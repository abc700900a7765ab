//! `rosettar_fuzz::targets::extract`, given inputs by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rosettar_fuzz::targets::extract::run(data));
