//! The actors, their supervision and the ports they need: no Kafka, HTTP or database.

pub mod memory;
pub mod ports;
