//! Partitions come and go: what is newly ours begins where the group has committed; what is taken as planned is drained
//! and committed first; what was lost is dropped.

use std::collections::VecDeque;
use std::time::Duration;

use almoner_actors::ports::{Done, LogRange};
use rdkafka::consumer::Consumer;
use rdkafka::message::Message;
use tokio::time::Instant;

use super::super::Command;
use super::super::partitions::{Partition, Stage, shard, shards};
use super::super::status::StoppedPartition;
use super::{Fatal, Reading};

/// How long after the drain's own deadline the intake's answer is waited for.
const ANSWER_GRACE: Duration = Duration::from_secs(2);
/// How long after a drain its last commits are tried again while the broker refuses them.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);

/// Which partitions are changing hands.
#[derive(Default)]
pub(super) struct Handover {
    /// The change that librdkafka waits for.
    change: Option<Change>,
    /// Changes that came before that one was answered.
    later: VecDeque<Change>,
    drains: Vec<Drain>,
    /// Numbers drains and assignments.
    last_number: u64,
    ending: Ending,
}

enum Change {
    Assign {
        assignment: Option<u64>,
        partitions: Vec<i32>,
    },
    Revoke {
        is_begun: bool,
        partitions: Vec<i32>,
    },
}

/// Partitions whose work in flight is being finished.
struct Drain {
    number: u64,
    partitions: Vec<i32>,
    until: Instant,
    drained_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Ending {
    #[default]
    NotYet,
    WhenDrained,
    Now,
}

impl Handover {
    /// The intake has drained.
    pub(super) fn drained(&mut self, number: u64, now: Instant) {
        if let Some(drain) = self.drains.iter_mut().find(|drain| drain.number == number) {
            drain.drained_at = Some(now);
        }
    }

    /// Ends at once.
    pub(super) fn abort(&mut self) {
        self.ending = Ending::Now;
    }

    /// Whether the loop ends.
    pub(super) fn is_over(&self) -> bool {
        self.ending == Ending::Now
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

impl Reading<'_, '_> {
    /// The group gives us partitions.
    pub(super) fn assigned(&mut self, partitions: Vec<i32>) {
        self.handover.later.push_back(Change::Assign {
            assignment: None,
            partitions,
        });
    }

    /// The group takes partitions.
    pub(super) fn revoked(&mut self, partitions: Vec<i32>) {
        self.handover.later.push_back(Change::Revoke {
            is_begun: false,
            partitions,
        });
    }

    /// Takes the changes a step further, one after the other.
    pub(super) fn hand_over_partitions(&mut self) -> Result<(), Fatal> {
        if self.handover.change.is_none() {
            self.handover.change = self.handover.later.pop_front();
        }
        match self.handover.change.take() {
            None => {}
            Some(Change::Assign {
                assignment: None,
                partitions,
            }) => self.begin_assignment(partitions)?,
            Some(Change::Revoke {
                is_begun,
                partitions,
            }) => self.revoke(is_begun, partitions)?,
            waiting @ Some(Change::Assign {
                assignment: Some(_),
                ..
            }) => self.handover.change = waiting,
        }
        if self.handover.ending == Ending::WhenDrained {
            let all = self.partitions.which(|_| true);
            if self.is_handed_over(&all) {
                self.release(&all);
                self.handover.ending = Ending::Now;
            }
        }
        Ok(())
    }

    /// A planned end: all partitions are drained.
    pub(super) fn hand_all_over(&mut self) {
        if self.handover.ending == Ending::NotYet {
            self.handover.ending = Ending::WhenDrained;
            let all = self.partitions.which(|_| true);
            self.pause(&all);
            self.drain(&all);
        }
    }

    fn begin_assignment(&mut self, partitions: Vec<i32>) -> Result<(), Fatal> {
        // An assignment of nothing is an answer too. On the way out nothing new is begun.
        if partitions.is_empty() || self.handover.ending != Ending::NotYet {
            self.answer(None)?;
            return Ok(());
        }
        let assignment = self.handover.number();
        self.lookups.ask_ranges(assignment, partitions.clone());
        self.handover.change = Some(Change::Assign {
            assignment: Some(assignment),
            partitions,
        });
        Ok(())
    }

    /// The ranges of the assigned partitions are known: reading begins.
    pub(super) fn take_assignment(
        &mut self,
        number: u64,
        ranges: &[(i32, LogRange)],
    ) -> Result<(), Fatal> {
        match &self.handover.change {
            Some(Change::Assign {
                assignment: Some(waiting),
                ..
            }) if *waiting == number => {}
            _ => return Ok(()),
        }
        self.handover.change = None;
        let starts = ranges.iter().map(|(partition, log)| {
            // What is not read stands at the end, so that there is nothing to fetch.
            (
                *partition,
                if holds_next(log) {
                    start(log)
                } else {
                    log.high
                },
            )
        });
        let is_ours = self.answer(Some(starts.collect()))?;
        if !is_ours || self.handover.ending != Ending::NotYet {
            return Ok(());
        }
        for (partition, log) in ranges {
            let entry = Partition {
                stage: Stage::Reading,
                start: start(log),
                is_quiet: true,
            };
            self.partitions.insert(*partition, entry);
            self.intake.assigned(shard(*partition), *log);
        }
        // A pause outlives the assignment that it was made in.
        let taken: Vec<i32> = ranges.iter().map(|(partition, _)| *partition).collect();
        if self.saturation.is_paused {
            self.pause(&taken);
        } else {
            self.resume(&taken);
        }
        for (partition, log) in ranges.iter().filter(|(_, log)| !holds_next(log)) {
            self.stop_partition(*partition, start(log), log);
        }
        Ok(())
    }

    fn revoke(&mut self, is_begun: bool, partitions: Vec<i32>) -> Result<(), Fatal> {
        if self.client.assignment_lost() {
            self.lose(&partitions);
            self.answer(None)?;
            return Ok(());
        }
        if !is_begun {
            self.drain(&partitions);
        }
        if self.is_handed_over(&partitions) {
            self.release(&partitions);
            self.answer(None)?;
        } else {
            self.handover.change = Some(Change::Revoke {
                is_begun: true,
                partitions,
            });
        }
        Ok(())
    }

    /// Has the partitions drained that are not being drained yet.
    fn drain(&mut self, partitions: &[i32]) {
        let begun: Vec<i32> = partitions
            .iter()
            .copied()
            .filter(|partition| {
                self.partitions
                    .get(*partition)
                    .is_some_and(|entry| entry.stage != Stage::Draining)
            })
            .collect();
        if begun.is_empty() {
            return;
        }
        for partition in &begun {
            if let Some(entry) = self.partitions.get_mut(*partition) {
                entry.stage = Stage::Draining;
            }
        }
        self.aside
            .retain(|record| !begun.contains(&record.partition()));
        let number = self.handover.number();
        let commands = self.session.sender.clone();
        let done = Done::new(move |()| {
            // Without a thread nobody waits.
            let _ = commands.send(Command::Drained(number));
        });
        self.intake.revoke(&shards(&begun), done);
        let drain_timeout = Duration::from_millis(u64::from(self.session.options.drain_timeout_ms));
        let until = Instant::now() + drain_timeout + ANSWER_GRACE;
        self.handover.drains.push(Drain {
            number,
            partitions: begun,
            until,
            drained_at: None,
        });
    }

    /// Whether nothing is in flight any more on the partitions, and all that was to be committed is.
    fn is_handed_over(&mut self, partitions: &[i32]) -> bool {
        let now = Instant::now();
        let concerned = |drain: &&Drain| {
            drain
                .partitions
                .iter()
                .any(|partition| partitions.contains(partition))
        };
        let drains: Vec<&Drain> = self.handover.drains.iter().filter(concerned).collect();
        if drains
            .iter()
            .any(|drain| drain.drained_at.is_none() && now < drain.until)
        {
            return false;
        }
        if drains.iter().any(|drain| drain.drained_at.is_none()) {
            tracing::warn!(target: "almoner::kafka", "partitions {partitions:?} are given up without being drained");
            return true;
        }
        let settle_until = drains
            .iter()
            .filter_map(|drain| drain.drained_at)
            .max()
            .map(|at| at + SETTLE_WITHIN);
        self.commits.settle(&shards(partitions)) || settle_until.is_none_or(|until| now >= until)
    }

    /// The partitions are gone, as planned.
    fn release(&mut self, partitions: &[i32]) {
        self.commits.release(&shards(partitions));
        for partition in partitions {
            self.partitions.remove(*partition);
            self.session.status.remove_stopped(shard(*partition));
        }
        self.aside
            .retain(|record| !partitions.contains(&record.partition()));
        for drain in &mut self.handover.drains {
            drain
                .partitions
                .retain(|partition| !partitions.contains(partition));
        }
        self.handover
            .drains
            .retain(|drain| !drain.partitions.is_empty());
        self.session.status.set_assigned(self.partitions.count());
    }

    /// The partitions are gone, and were before we knew.
    pub(super) fn lose(&mut self, partitions: &[i32]) {
        let lost: Vec<i32> = partitions
            .iter()
            .copied()
            .filter(|partition| self.partitions.get(*partition).is_some())
            .collect();
        if !lost.is_empty() {
            tracing::warn!(target: "almoner::kafka", "partitions {lost:?} were lost");
            self.release(&lost);
            self.intake.lost(&shards(&lost));
        }
    }

    /// The log does not hold what comes next: the partition is ours, and not read.
    pub(super) fn stop_partition(&mut self, partition: i32, next_offset: i64, log: &LogRange) {
        let Some(entry) = self.partitions.get_mut(partition) else {
            return;
        };
        entry.stage = Stage::Stopped;
        self.pause(&[partition]);
        let LogRange { low, high, .. } = *log;
        if next_offset < low {
            tracing::error!(
                target: "almoner::kafka",
                "requests_lost: partition {partition}, from offset {next_offset} to {low}: the log has dropped them. The \
                 partition is not read until the loss is accepted: almoner offsets accept-loss"
            );
        } else {
            tracing::error!(
                target: "almoner::kafka",
                "partition {partition}: the next offset is {next_offset}, and the log ends at {high}: it is another log, \
                 or it was cut off. The partition is not read; if that is meant, start with --new-log"
            );
        }
        self.session.status.add_stopped(StoppedPartition {
            shard: shard(partition),
            next_offset,
            low,
            high,
        });
    }

    /// Answers the change that librdkafka waits for; whether it was carried out.
    fn answer(&mut self, starts: Option<Vec<(i32, i64)>>) -> Result<bool, Fatal> {
        let offsets = starts.map(|starts| self.offsets(starts.into_iter()));
        let answered = self.client.context().answer(self.client, offsets.as_ref());
        if let Some((code, reason)) = self.client.client().fatal_error() {
            return Err(Fatal::of_client(code, &reason));
        }
        if let Err(error) = &answered {
            tracing::warn!(target: "almoner::kafka", "the change of assignment failed: {error}");
        }
        self.session.status.set_joined();
        if let Some(offsets) = &offsets {
            self.session
                .status
                .set_assigned(self.partitions.count() + offsets.count());
        }
        Ok(answered.is_ok())
    }
}

/// Where reading begins.
fn start(log: &LogRange) -> i64 {
    log.committed.unwrap_or(log.low)
}

/// Whether the log holds what comes next, or ends right before it.
fn holds_next(log: &LogRange) -> bool {
    (log.low..=log.high).contains(&start(log))
}
