//! Where reading stands against the logs: quiet partitions are told that their log ended there, so that stream time goes
//! on; a log that has lost what comes next stops its partition.

use std::collections::HashMap;
use std::time::Duration;

use almoner_actors::ports::LogRange;
use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use tokio::time::Instant;

use super::super::partitions::{Stage, shard};
use super::{Fatal, Reading};

/// How often a quiet partition's end is asked for.
const ASK_EVERY: Duration = Duration::from_secs(5);

impl Reading<'_, '_> {
    /// Every few seconds, asks where the logs of the quiet partitions end.
    pub(super) fn ask_ends(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.ends_asked_at) < ASK_EVERY {
            return;
        }
        self.ends_asked_at = now;
        let quiet = self
            .partitions
            .which(|partition| partition.stage == Stage::Reading && partition.is_quiet);
        for partition in self.partitions.which(|_| true) {
            if let Some(entry) = self.partitions.get_mut(partition) {
                entry.is_quiet = true;
            }
        }
        if !quiet.is_empty() {
            self.lookups.ask_ends(quiet);
        }
    }

    /// The answer: where reading stands at the end, all that was written before the question has been offered.
    pub(super) fn tell_ends(&mut self, asked_wall_ms: i64, ends: &[(i32, i64)]) {
        // What was set aside was polled, but not offered.
        if !self.aside.is_empty() {
            return;
        }
        let positions = self.positions();
        for (partition, end) in ends {
            if self.partitions.is(*partition, Stage::Reading)
                && positions.get(partition) == Some(end)
            {
                self.intake.at_end(shard(*partition), *end, asked_wall_ms);
            }
        }
    }

    /// The broker said that an offset is out of range, not which: those that are, are not read any more.
    pub(super) fn stop_lost_partitions(&mut self, ranges: &[(i32, LogRange)]) -> Result<(), Fatal> {
        let positions = self.positions();
        let mut is_found = !self.session.status.stopped().is_empty();
        for (partition, log) in ranges {
            let Some(position) = positions.get(partition).copied() else {
                continue;
            };
            if self.partitions.is(*partition, Stage::Reading)
                && !(log.low..=log.high).contains(&position)
            {
                is_found = true;
                self.stop_partition(*partition, position, log);
            }
        }
        if is_found {
            Ok(())
        } else {
            // The fetcher stands still: from the committed offset a new one finds out what the matter is.
            Err(Fatal("an offset was out of range, and is not any more: the log was cut off and written on".to_owned()))
        }
    }

    /// The next offset of each partition. Markers that are not records have moved it too.
    fn positions(&self) -> HashMap<i32, i64> {
        let mut positions: HashMap<i32, i64> = HashMap::new();
        let Ok(list) = self.client.position() else {
            return positions;
        };
        for element in list.elements() {
            let partition = element.partition();
            let position = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => self.partitions.get(partition).map(|entry| entry.start),
            };
            positions.extend(position.map(|position| (partition, position)));
        }
        positions
    }
}
