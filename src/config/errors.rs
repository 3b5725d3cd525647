//! What is wrong with a configuration: all of it at once, one line each.

use std::fmt;

use super::keys::shown;
use super::settings::Origin;

/// One thing that is wrong: where, which key, what, and what to write instead. Never the value of a secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ConfigError {
    /// Where it was said; [`Origin::Default`] where something is missing.
    pub origin: Origin,
    /// The key's full name, such as `gateway.timeout_ms`; none where the file itself is wrong.
    pub key: Option<String>,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { path, line: 0 } => write!(f, "{}: ", path.display())?,
            Origin::File { path, line } => write!(f, "{}:{line}: ", path.display())?,
            Origin::Env { name } => write!(f, "{name}: ")?,
            Origin::Default => {}
        }
        if let Some(key) = &self.key {
            write!(f, "{}: ", shown(key))?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a configuration: the file's errors by line, then the environment's, then what is missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Each error.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has an error")?,
            many => write!(f, "the configuration has {many} errors")?,
        }
        for error in &self.0 {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The errors found so far.
#[derive(Default)]
pub(super) struct Found {
    errors: Vec<ConfigError>,
    /// Whether a part of the file could not be read, so that what seems missing may well be there.
    pub unreadable: bool,
}

impl Found {
    /// Notes what is wrong with a key.
    pub fn key(&mut self, origin: &Origin, key: &str, message: impl Into<String>) {
        let (origin, key) = (origin.clone(), Some(key.to_owned()));
        self.errors.push(ConfigError {
            origin,
            key,
            message: message.into(),
        });
    }

    /// Notes what is wrong with a place as a whole.
    pub fn place(&mut self, origin: Origin, message: impl Into<String>) {
        self.errors.push(ConfigError {
            origin,
            key: None,
            message: message.into(),
        });
    }

    /// Whether something was wrong with this key.
    pub fn names(&self, key: &str) -> bool {
        self.errors
            .iter()
            .any(|error| error.key.as_deref() == Some(key))
    }

    /// The errors, if there are any.
    pub fn finish(mut self) -> Result<(), ConfigErrors> {
        self.errors.sort();
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors(self.errors))
        }
    }
}
