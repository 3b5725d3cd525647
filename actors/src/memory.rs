//! Ports in memory, for tests, the simulation and the benchmark of the actors.

mod store;

pub use store::MemoryStore;
