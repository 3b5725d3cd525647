//! The stores: what is durable.

pub mod sqlite;
