//! What was given, by the full name of its key, and where each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// The configuration file; `line` counts from 1.
    File {
        /// As it was named.
        path: PathBuf,
        /// The line of the key.
        line: usize,
    },
    /// An environment variable.
    Env {
        /// The variable's name.
        name: String,
    },
    /// Nothing was said.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "file {}:{line}", path.display()),
            Self::Env { name } => write!(f, "env {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One key's value as it was given. It may be a secret: never shown whole.
pub(super) enum Given {
    /// Itself.
    Value(toml::Value),
    /// The path of a file that holds it.
    InFile(toml::Value),
}

/// One key's value, and where it came from.
pub(super) struct Setting {
    pub given: Given,
    pub origin: Origin,
}

/// All values given, by key. A later layer's value replaces an earlier one's.
#[derive(Default)]
pub(super) struct Settings(pub BTreeMap<String, Setting>);

impl Settings {
    /// Sets a key, and gives the setting that it replaced.
    pub fn set(&mut self, key: &str, setting: Setting) -> Option<Setting> {
        self.0.insert(key.to_owned(), setting)
    }

    /// Where the value of a key comes from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.0
            .get(key)
            .map_or(&Origin::Default, |setting| &setting.origin)
    }
}
