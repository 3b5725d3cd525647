//! The effective configuration as TOML, each value with its origin beside it.

use std::fmt::Write as _;

use super::keys::{Key, keys, shown};
use super::load::Loaded;

pub(super) fn show(loaded: &Loaded) -> String {
    let values = toml::Table::try_from(&loaded.config).unwrap_or_default();
    let mut out = "# The effective configuration, each value with where it comes from. Secrets are redacted.\n".to_owned();
    for section in &keys().sections {
        let _ = writeln!(out, "\n[{}]", section.name);
        let inside = format!("{}.", section.name);
        for key in keys()
            .keys
            .iter()
            .filter(|key| key.path.starts_with(&inside))
        {
            for (path, value) in values_of(key, &values) {
                let origin = loaded.origin(&path);
                let _ = writeln!(
                    out,
                    "{} = {value}  # {origin}",
                    &shown(&path)[inside.len()..]
                );
            }
        }
    }
    out
}

/// The key's value; of a free map, each entry's.
fn values_of(key: &Key, values: &toml::Table) -> Vec<(String, toml::Value)> {
    let mut parts = key.path.split('.');
    let top = parts.next().and_then(|section| values.get(section));
    let value = parts.try_fold(top, |value, part| value.map(|value| value.get(part)));
    match value.flatten() {
        Some(toml::Value::Table(entries)) => entries
            .iter()
            .map(|(name, value)| (format!("{}.{name}", key.path), value.clone()))
            .collect(),
        Some(value) => vec![(key.path.clone(), value.clone())],
        None => Vec::new(),
    }
}
