//! Whatever bytes come from outside: no panic, bounded memory and time, and every input has a fate.
//!
//! Each target ([`targets`]) reads its corpus (`corpus/TARGET/`, and the golden messages), then what a seeded mutator makes
//! of it; an input whose fate was not seen before is kept and mutated further. An input that breaks a target is written
//! down, and named by the failure. `guided/` drives the same targets by the coverage of the code; `tests/fuzz.sh` starts
//! either of them for longer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod bounds;
mod campaigns;
mod cards;
mod config;
pub(crate) mod explore;
mod http;
mod intake;
mod journal;
pub(crate) mod mutate;
mod outcomes;
mod requests;
mod rows;
mod simulator;
mod stored;
pub(crate) mod targets;
mod words;
