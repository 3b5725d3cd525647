//! Kafka: requests come in, outcomes go out, campaigns are read. What the actors see of it are their own ports.
//!
//! - [`options`]: what one says of the broker; `client_config` makes librdkafka's settings of it and refuses what would
//!   contradict the promise.
//! - [`topics`]: whether the broker is there and has what is needed, asked once at the start.
//! - [`consumer`]: requests → `Intake`, commits ← `Source`.
//! - [`outcomes`]: `Outcomes` → records, each with its acknowledgement.
//! - [`campaigns`]: the compacted topic of campaigns → the store.
//! - [`troubles`]: what does not work there now, and why.
//! - [`positions`]: where the group stands, and how an operator moves it.
//! - [`broker`]: a broker inside the process, for the demo and for tests.

pub mod broker;
pub mod campaigns;
pub(crate) mod client_config;
pub mod consumer;
mod context;
pub mod error;
mod headers;
mod offsets;
pub mod options;
pub mod outcomes;
pub mod positions;
mod repeats;
pub mod telemetry;
pub mod topics;
pub mod troubles;
