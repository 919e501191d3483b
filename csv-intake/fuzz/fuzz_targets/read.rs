//! Guided by coverage: `cargo +nightly fuzz run read` in `csv-intake`, or without cargo-fuzz as the README beside this says.

#![no_main]

#[path = "../../examples/fuzz/check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = check::check(input).kind();
});
