//! `[store]`: which engine keeps the books, and where.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kafka::empty_is_none;
use super::secret::Secret;

/// Where accepted donations, the ledger and what is pending are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Store {
    /// The engine.
    pub kind: StoreKind,
    /// With SQLite: the folder of the database, made at the first start; on a disk of this machine, for one instance alone.
    /// Relative to the working folder.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
    /// How ScyllaDB or Apache Cassandra is reached.
    pub scylla: Scylla,
}

/// The engines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// SQLite in a folder of this machine: one instance, nothing to install.
    #[default]
    Sqlite,
    /// ScyllaDB, or Apache Cassandra: any number of instances. `almoner migrate` makes its tables.
    Scylla,
}

/// How ScyllaDB or Apache Cassandra is reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Scylla {
    /// The nodes to begin with, `host:port`, separated by commas; the others are learnt from them.
    #[schemars(length(min = 1))]
    pub contact_points: String,
    /// The data centre that is asked, by its name in the cluster: a quorum of its copies decides.
    #[schemars(length(min = 1))]
    pub local_datacenter: String,
    /// The keyspace: lower-case letters, digits and `_`. `almoner migrate` makes it.
    #[schemars(length(min = 1))]
    pub keyspace: String,
    /// How many copies a keyspace keeps in the data centre, when `almoner migrate` makes it. One that is there stays as it
    /// is.
    #[schemars(range(min = 1, max = 9))]
    pub replication_factor: u32,
    /// Who this is, where the cluster asks. Empty: nobody.
    #[serde(with = "empty_is_none")]
    #[schemars(with = "String")]
    pub username: Option<String>,
    /// The password that goes with it.
    pub password: Secret,
    /// Whether the cluster is spoken to through TLS. Needs a build with the feature `scylla-tls`.
    pub tls: bool,
    /// A PEM file with the certificates of the authorities that the nodes' certificates may come from, trusted in place of
    /// the public ones. Empty: the public ones.
    #[serde(with = "empty_is_none")]
    #[schemars(with = "String")]
    pub ca_file: Option<String>,
    /// How long a request may take, in milliseconds. What a write did that took longer is read back.
    #[schemars(
        range(min = 100, max = 60_000),
        extend("x-why" = "a quorum over a network needs some time, and who waits longer blocks a donation")
    )]
    pub request_timeout_ms: u32,
    /// Which failed requests the driver itself repeats. Conditional writes are never repeated unseen: what became of one is
    /// read first.
    pub retries: Retries,
    /// After how long, in milliseconds, a read is sent to a second node as well. 0: never.
    #[schemars(range(max = 60_000))]
    pub speculative_read_after_ms: u32,
    /// How many requests this instance has open at the cluster at most.
    #[schemars(range(min = 1, max = 16_384))]
    pub in_flight_max: u32,
}

/// Which failed requests the driver repeats by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retries {
    /// Reads, and writes that may be repeated, where another node may answer.
    #[default]
    Careful,
    /// None: each failure is the store's to judge.
    Never,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            kind: StoreKind::default(),
            path: PathBuf::from("data/almoner"),
            scylla: Scylla::default(),
        }
    }
}

impl Default for Scylla {
    fn default() -> Self {
        Self {
            contact_points: "127.0.0.1:9042".to_owned(),
            local_datacenter: "datacenter1".to_owned(),
            keyspace: "almoner".to_owned(),
            replication_factor: 3,
            username: None,
            password: Secret::default(),
            tls: false,
            ca_file: None,
            request_timeout_ms: 3_000,
            retries: Retries::default(),
            speculative_read_after_ms: 0,
            in_flight_max: 256,
        }
    }
}
