//! Almoner.

pub mod config;
pub mod logging;
