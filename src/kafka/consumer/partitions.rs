//! The partitions that are ours, and what is done with each.

use almoner_domain::ids::Shard;

/// What is done with a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It is read.
    Reading,
    /// The log does not hold what comes next: it is ours, and not read.
    Stopped,
    /// It is being handed over: not read any more, what is in flight is finished and committed.
    Draining,
}

/// One partition of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partition {
    pub(super) stage: Stage,
    /// Where reading began.
    pub(super) start: i64,
    /// Whether no record came since the log's end was last asked for.
    pub(super) is_quiet: bool,
}

/// Our partitions by their number.
#[derive(Default)]
pub(super) struct Partitions(Vec<Option<Partition>>);

impl Partitions {
    pub(super) fn insert(&mut self, partition: i32, entry: Partition) {
        let index = index(partition);
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        self.0[index] = Some(entry);
    }

    pub(super) fn remove(&mut self, partition: i32) {
        if let Some(entry) = self.0.get_mut(index(partition)) {
            *entry = None;
        }
    }

    pub(super) fn get(&self, partition: i32) -> Option<&Partition> {
        self.0.get(index(partition))?.as_ref()
    }

    pub(super) fn get_mut(&mut self, partition: i32) -> Option<&mut Partition> {
        self.0.get_mut(index(partition))?.as_mut()
    }

    pub(super) fn is(&self, partition: i32, stage: Stage) -> bool {
        self.get(partition)
            .is_some_and(|entry| entry.stage == stage)
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// The partitions that satisfy `wanted`.
    pub(super) fn which(&self, wanted: impl Fn(&Partition) -> bool) -> Vec<i32> {
        (0_i32..)
            .zip(&self.0)
            .filter_map(|(partition, entry)| {
                entry
                    .as_ref()
                    .filter(|entry| wanted(entry))
                    .map(|_| partition)
            })
            .collect()
    }
}

fn index(partition: i32) -> usize {
    // A partition's number is never negative in an assignment.
    usize::try_from(partition).unwrap_or(0)
}

/// The shard that a partition is.
pub(super) fn shard(partition: i32) -> Shard {
    Shard(partition.cast_unsigned())
}

/// The shards that partitions are.
pub(super) fn shards(partitions: &[i32]) -> Vec<Shard> {
    partitions.iter().copied().map(shard).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_come_and_go() {
        let mut partitions = Partitions::default();
        let entry = Partition {
            stage: Stage::Reading,
            start: 0,
            is_quiet: false,
        };
        partitions.insert(3, entry);
        partitions.insert(
            1,
            Partition {
                stage: Stage::Stopped,
                ..entry
            },
        );
        assert_eq!(partitions.which(|_| true), [1, 3]);
        assert_eq!(partitions.which(|entry| entry.stage == Stage::Reading), [3]);
        assert!(partitions.is(1, Stage::Stopped) && !partitions.is(2, Stage::Reading));
        partitions.remove(3);
        partitions.remove(9);
        assert_eq!(
            (partitions.count(), partitions.which(|_| true)),
            (1, vec![1])
        );
    }
}
