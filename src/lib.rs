//! Almoner.

pub mod gateway;
