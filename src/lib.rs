//! Almoner.

pub mod kafka;
