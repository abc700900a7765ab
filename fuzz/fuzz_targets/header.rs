//! `rosettar_fuzz::targets::header`, given inputs by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rosettar_fuzz::targets::header::run(data));
