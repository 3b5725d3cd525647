//! The actors, their supervision and the ports they need: no Kafka, HTTP or database.

pub mod breaker;
pub mod budget;
pub mod guard;
pub mod lanes;
pub mod lease;
pub mod offsets;
pub mod ports;
pub mod retry;
pub mod supervisor;
