//! Histories from a seed: the real actors of one or two processes, in one thread and virtual time, on a broker, a store and
//! a gateway that fail as a script says; a judge who holds them to the invariants; and controls that show he is not blind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test harness: what cannot be ends the history"
)]

pub mod amiss;
pub mod bank;
pub mod broker;
pub mod chance;
pub mod controls;
pub mod coverage;
pub mod defect;
pub mod diary;
pub mod faults;
pub mod figures;
pub mod history;
pub mod judge;
pub mod life;
pub mod many;
pub mod outside;
pub mod ports;
pub mod process;
pub mod script;
pub mod shrink;
pub mod store;
