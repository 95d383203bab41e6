//! The decoders of `protocol/tests/fuzz` under libFuzzer; `KARVON_FUZZ_TARGET` names the one to run.
#![no_main]

#[allow(dead_code)]
#[path = "../../tests/fuzz/lan.rs"]
mod lan;
#[allow(dead_code)]
#[path = "../../tests/fuzz/rooms.rs"]
mod rooms;
#[allow(dead_code)]
#[path = "../../tests/fuzz/seeds.rs"]
mod seeds;
#[allow(dead_code)]
#[path = "../../tests/fuzz/targets.rs"]
mod targets;
#[allow(dead_code)]
#[path = "../../tests/fuzz/transports.rs"]
mod transports;

use std::sync::LazyLock;

static TARGET: LazyLock<&targets::Target> = LazyLock::new(|| {
    let name = std::env::var("KARVON_FUZZ_TARGET").expect("KARVON_FUZZ_TARGET names a decoder");
    targets::all().find(|target| target.name == name).expect("a decoder of that name")
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    (TARGET.run)(input);
});
