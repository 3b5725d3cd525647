//! Topics for the tests of how they are and should be.

use std::collections::BTreeMap;
use std::time::Duration;

use super::found::Found;
use super::layout::Layout;

pub(super) fn layout() -> Layout {
    Layout {
        partitions: 8,
        replication_factor: Some(3),
        min_insync_replicas: Some(2),
        retention: Duration::from_secs(700),
        dead_letters_retention: Duration::from_secs(3_000),
        outage_max: Duration::from_secs(300),
    }
}

/// As it is meant to be, but for this.
pub(super) fn found(role: &'static str, changes: &[(&str, &str)]) -> Found {
    let wanted = layout().wanted(role);
    let mut found = Found {
        role,
        topic: role.to_owned(),
        partitions: wanted.partitions,
        replicas: 3,
        settings: BTreeMap::new(),
    };
    let settings = wanted.settings.into_iter();
    found
        .settings
        .extend(settings.map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in changes {
        match *name {
            "partitions" => found.partitions = value.parse().unwrap(),
            "replicas" => found.replicas = value.parse().unwrap(),
            _ => drop(
                found
                    .settings
                    .insert((*name).to_owned(), (*value).to_owned()),
            ),
        }
    }
    found
}

/// Each line has its part, in order, and there are no others.
pub(super) fn check(lines: &[String], parts: &[&str]) {
    let is_it = lines.len() == parts.len()
        && lines
            .iter()
            .zip(parts)
            .all(|(line, part)| line.contains(part));
    assert!(is_it, "{lines:#?}, expected {parts:?}");
}
