//! What can be configured: one struct a section, read by [`load()`] from a file and the environment, all errors at once.
//!
//! The doc comments below are the only description of the keys: the reference page, the commented example file and the
//! words of the errors are made from them. Each says what the key does and in what unit.

mod check;
mod client_options;
mod donations;
mod env;
mod errors;
mod file;
mod gateway;
mod kafka;
mod keys;
mod limits;
mod listen;
mod load;
mod not_built;
mod process;
mod reference;
mod secret;
mod settings;
mod show;
mod store;
mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use client_options::{ClientOption, ClientOptions};
pub use donations::{Donations, RequestType, UnknownCampaigns};
pub use errors::{ConfigError, ConfigErrors};
pub use gateway::Gateway;
pub use kafka::{Kafka, Partitioner, Topics};
pub use limits::Limits;
pub use listen::{Admin, Http, Listen};
pub use load::{Loaded, Sources, load, load_unchecked};
pub use process::{Level, Log, LogFormat, Shutdown};
pub use reference::{example, page};
pub use secret::Secret;
pub use settings::Origin;
pub use store::{Retries, Scylla, Store, StoreKind};

/// Everything that can be configured. `Config::default()` is what stands where nothing is said: it lacks the gateway's
/// key alone.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The Kafka cluster that donations come from and outcomes go to.
    pub kafka: Kafka,
    /// The payment gateway: Stripe, or whatever speaks as it does.
    pub gateway: Gateway,
    /// Where accepted donations, the ledger and what is pending are kept.
    pub store: Store,
    /// The API for front ends: one donation's state.
    pub http: Http,
    /// Health and metrics, for operators; keep it off the internet.
    pub admin: Admin,
    /// What is done with a donation, and how long things may take.
    pub donations: Donations,
    /// Bounds on what one user, one campaign and one instance may do at a time.
    pub limits: Limits,
    /// How the process stops.
    pub shutdown: Shutdown,
    /// What is logged, to stderr.
    pub log: Log,
}
