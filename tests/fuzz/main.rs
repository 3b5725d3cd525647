//! Whatever bytes come from outside: no panic, bounded memory and time, and every input has a fate.
//!
//! Each target reads its corpus (`corpus/TARGET/`, and the golden messages), then what a seeded mutator makes of it; an
//! input whose fate was not seen before is kept and mutated further. `tests/fuzz.sh SECONDS` goes on for longer, from a
//! fresh seed. An input that breaks a target is written down, and named by the failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bounds;
mod campaigns;
mod cards;
mod config;
mod explore;
mod intake;
mod journal;
mod mutate;
mod requests;
mod stored;
