//! `[shutdown]` and `[log]`: how the process stops, and what it says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the process stops.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Shutdown {
    /// How long, in milliseconds, a stop may take to finish what is in flight. What is not finished then becomes pending,
    /// and is taken up by the next start. Keep it below what the process manager waits before it kills (Kubernetes: 30 s).
    #[schemars(
        range(min = 100, max = 240_000),
        extend("x-why" = "Kafka expels an instance that does not poll for 5 minutes")
    )]
    pub drain_timeout_ms: u32,
}

/// What is logged, to stderr.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Log {
    /// What is logged at all. `RUST_LOG`, where it is set, decides instead, and may tell modules apart
    /// (`RUST_LOG=info,almoner::kafka=debug`).
    pub level: Level,
    /// How a line looks.
    pub format: LogFormat,
}

/// How much is logged; each level includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// What failed.
    Error,
    /// What may need a person.
    Warn,
    /// What a person would act on, and what started and stopped.
    #[default]
    Info,
    /// Each donation's steps.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The level's name, as `RUST_LOG` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For a person; in colour on a terminal, unless `NO_COLOR` is set.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            drain_timeout_ms: 25_000,
        }
    }
}
