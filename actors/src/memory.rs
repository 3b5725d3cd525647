//! Ports in memory, for tests, the simulation and the benchmark of the actors.

mod broker;
mod clock;
mod gateway;
mod store;

pub use broker::{MemoryOutcomes, MemorySource, Published};
pub use clock::{FixedDice, TokioClock};
pub use gateway::{MemoryGateway, Plan};
pub use store::MemoryStore;
