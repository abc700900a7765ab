//! `rosettar_fuzz::targets::c1z`, given inputs by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rosettar_fuzz::targets::c1z::run(data));
