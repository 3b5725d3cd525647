//! The stores: what is durable.

mod codes;
pub mod scylla;
pub mod sqlite;
pub(crate) mod wait;
