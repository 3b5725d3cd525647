//! Almoner.

pub mod store;
