//! `[store]`: which engine keeps the books, and where.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where accepted donations, the ledger and what is pending are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Store {
    /// The engine.
    pub kind: StoreKind,
    /// The folder of the database, made at the first start; on a disk of this machine, for one instance alone. Relative
    /// to the working folder.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
}

/// The engines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// SQLite in a folder of this machine: one instance, nothing to install.
    #[default]
    Sqlite,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            kind: StoreKind::default(),
            path: PathBuf::from("data/almoner"),
        }
    }
}
