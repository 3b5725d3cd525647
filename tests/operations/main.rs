//! What operators meet and do: a real process that gets ready or says why not, shows what it counts, keeps what it could not
//! process, and goes on where it was killed; and an instance whose log and store do not belong together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backup;
mod cassandra;
mod demo;
mod letters;
mod losses;
mod metrics;
mod new_log;
mod readiness;
mod restore;
mod support;
mod world;
