//! The stores: what is durable.

pub mod sqlite;
pub(crate) mod wait;
