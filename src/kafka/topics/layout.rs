//! How the topics are meant to be, and in what one is otherwise.

use std::time::Duration;

use super::found::Found;

/// Partitions of the topics that hold little.
const FEW_PARTITIONS: u32 = 4;

/// How the topics are meant to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Partitions of requests and outcomes.
    pub partitions: u32,
    /// Copies of each partition; none: the broker's default.
    pub replication_factor: Option<u16>,
    /// Copies that must have a record before it is acknowledged; none: the broker's default.
    pub min_insync_replicas: Option<u16>,
    /// How long requests and outcomes are kept.
    pub retention: Duration,
    /// How long dead letters are kept.
    pub dead_letters_retention: Duration,
    /// The longest outage planned for.
    pub outage_max: Duration,
}

/// What one topic is meant to be.
pub struct Wanted {
    /// How many partitions.
    pub partitions: u32,
    /// Its settings, by the broker's names.
    pub settings: Vec<(&'static str, String)>,
}

impl Layout {
    /// What the topic of this role is meant to be.
    #[must_use]
    pub fn wanted(&self, role: &str) -> Wanted {
        let mut settings = vec![("message.timestamp.type", "LogAppendTime".to_owned())];
        let retention = match role {
            "campaigns" => None,
            "dead_letters" => Some(self.dead_letters_retention),
            _ => Some(self.retention),
        };
        match retention {
            None => settings.push(("cleanup.policy", "compact".to_owned())),
            Some(kept) => {
                settings.push(("cleanup.policy", "delete".to_owned()));
                settings.push(("retention.ms", kept.as_millis().to_string()));
                settings.push(("retention.bytes", "-1".to_owned()));
            }
        }
        settings.extend(
            self.min_insync_replicas
                .map(|count| ("min.insync.replicas", count.to_string())),
        );
        let partitions = match role {
            "requests" | "outcomes" => self.partitions,
            _ => FEW_PARTITIONS,
        };
        Wanted {
            partitions,
            settings,
        }
    }
}

/// How a topic is otherwise than meant: one line each. None: it is as meant.
#[must_use]
pub fn differences(found: &Found, layout: &Layout) -> Vec<String> {
    let wanted = layout.wanted(found.role);
    let mut lines = Vec::new();
    if found.partitions != wanted.partitions && is_counted(found.role) {
        lines.push(format!(
            "it has {} partitions, and kafka.layout.partitions is {}",
            found.partitions, wanted.partitions
        ));
    }
    if let Some(replicas) = layout.replication_factor
        && found.replicas != replicas
    {
        lines.push(format!(
            "it has {} copies of each partition, and kafka.layout.replication_factor is {replicas}",
            found.replicas
        ));
    }
    for (name, value) in wanted.settings {
        let is = found.setting(name);
        if is != Some(value.as_str()) {
            lines.push(format!(
                "{name} is {}, and should be {value}",
                is.unwrap_or("not said")
            ));
        }
    }
    lines
}

/// Whether its number of partitions is configured.
fn is_counted(role: &str) -> bool {
    matches!(role, "requests" | "outcomes")
}

#[cfg(test)]
mod tests {
    use super::super::dangers::dangers;
    use super::super::samples::{check, found, layout};
    use super::*;

    #[test]
    fn what_is_as_meant_is_neither_different_nor_dangerous() {
        for role in ["requests", "outcomes", "dead_letters", "campaigns"] {
            let found = found(role, &[]);
            check(&differences(&found, &layout()), &[]);
            check(&dangers(&[found], &layout()), &[]);
        }
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let changes = [
            ("partitions", "9"),
            ("replicas", "1"),
            ("retention.ms", "5"),
            ("min.insync.replicas", "1"),
        ];
        let expected = [
            "9 partitions, and kafka.layout.partitions is 8",
            "1 copies of each partition, and kafka.layout.replication_factor is 3",
            "retention.ms is 5, and should be 700000",
            "min.insync.replicas is 1, and should be 2",
        ];
        check(
            &differences(&found("requests", &changes), &layout()),
            &expected,
        );
        // Whoever says nothing of copies takes what there is.
        let silent = Layout {
            replication_factor: None,
            min_insync_replicas: None,
            ..layout()
        };
        check(
            &differences(&found("requests", &changes), &silent),
            &[expected[0], expected[2]],
        );
    }
}
