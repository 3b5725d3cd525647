//! What operators meet: a real process that gets ready or says why not, shows what it counts, keeps what it could not
//! process, and goes on where it was killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod demo;
mod letters;
mod metrics;
mod readiness;
mod support;
