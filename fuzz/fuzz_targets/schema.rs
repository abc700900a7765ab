//! `rosettar_fuzz::targets::schema`, given inputs by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rosettar_fuzz::targets::schema::run(data));
