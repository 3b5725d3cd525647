//! The targets of `tests/fuzz`, driven by libFuzzer: an input that reaches code which none has reached is kept. It is
//! built by `tests/fuzz.sh`, which has the compiler count what is reached in the crates of this project.
//!
//! ALMONER_FUZZ_TARGET names the target. `ALMONER_FUZZ_BEGIN=FOLDER` writes what it begins with there, and ends.

#![no_main]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../main.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
mod fuzz;

use std::path::Path;

use fuzz::explore::Target;
use fuzz::mutate::Mutator;
use fuzz::targets;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

thread_local! {
    static TARGET: (String, Target) = {
        let name = std::env::var("ALMONER_FUZZ_TARGET").unwrap();
        let target = targets::named(&name);
        (name, target)
    };
}

fn begin() {
    let Some(folder) = std::env::var_os("ALMONER_FUZZ_BEGIN") else {
        return;
    };
    let inputs = TARGET.with(|(name, target)| target.beginnings(name));
    for (n, input) in inputs.iter().enumerate() {
        std::fs::write(Path::new(&folder).join(format!("begin-{n}")), input).unwrap();
    }
    std::process::exit(0);
}

fuzz_target!(init: begin(), |input: &[u8]| {
    TARGET.with(|(_, target)| (target.read)(input));
});

// Half of the inputs are libFuzzer's own changes; the others know what the target's inputs are made of.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed.is_multiple_of(2) {
        return fuzzer_mutate(data, size, max_size);
    }
    let input = data[..size].to_vec();
    let varied =
        TARGET.with(|(_, target)| target.vary(&mut Mutator::new(seed.into()), &input, &input));
    let length = varied.len().min(max_size);
    data[..length].copy_from_slice(&varied[..length]);
    length
});
