//! The actors, their supervision and the ports they need: no Kafka, HTTP or database.
//!
//! One donation's way, file by file: [`intake`] (a record is read and classified) → [`router`] (its shard) →
//! [`user`] (doubles, one charge at a time) → [`campaign`] (open? right currency? limits?) → the store (accept) →
//! [`gateway`] (budget, breaker, lanes) → the payment gateway → the store (finish) → the broker (outcome) →
//! [`offsets`] (the offset may be committed).

mod arrived;
pub mod breaker;
pub mod budget;
pub mod campaign;
mod completions;
pub mod gateway;
pub mod guard;
pub mod intake;
pub mod lanes;
pub mod lease;
mod limiter;
pub mod memory;
pub mod offsets;
pub mod ports;
pub mod restore;
pub mod retry;
pub mod router;
pub mod shard;
pub mod telemetry;
pub mod user;
pub mod watchers;
pub mod world;
