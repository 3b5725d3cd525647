//! Almoner: adapters and wiring around the actors. One donation's way through the files is in `ARCHITECTURE.md`.

pub mod app;
pub mod audit;
mod batched;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod demo;
pub mod gateway;
pub mod http;
pub mod io_thread;
pub mod kafka;
pub mod logging;
pub mod metrics;
pub mod simulator;
pub mod store;
