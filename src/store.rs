//! The stores: what is durable.

mod codes;
pub mod scylla;
mod service;
pub mod sqlite;
pub(crate) mod wait;

pub use service::{OpenError, ReadError, ServiceStore, scylla_options};
