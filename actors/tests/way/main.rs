//! The way of one donation through the actors, as stories in virtual time: everything in memory, nothing mocked of our
//! own code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod anew;
mod faults;
mod support;
mod surplus;

mod crashes;
mod crowds;
mod forwarded;
mod handover;
mod happy;
mod holds;
mod limits;
mod panics;
mod passivation;
mod repeats;
mod supervision;
mod unknown;
