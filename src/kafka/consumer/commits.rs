//! What is to be committed: the newest offset of each partition, one commit on its way at a time, each completion called
//! with what the broker said of an offset that covers it.

use std::collections::BTreeMap;
use std::time::Duration;

use almoner_actors::ports::{Commit, CommitError, Done};
use almoner_domain::ids::Shard;
use metrics::{Counter, counter};
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::Instant;

use crate::kafka::repeats;
use crate::kafka::telemetry::COMMITS;

type CommitDone = Done<Result<(), CommitError>>;

/// An offset with all who wait for it or for a lower one.
#[derive(Default)]
struct Asked {
    next_offset: i64,
    dones: Vec<CommitDone>,
}

impl Asked {
    fn answer(self, result: &Result<(), CommitError>) {
        for done in self.dones {
            done.call(result.clone());
        }
    }
}

/// How far a partition's commits have come.
#[derive(Clone, Copy)]
struct Progress {
    asked: i64,
    acknowledged: Option<i64>,
}

/// The commits of all partitions.
pub(super) struct Commits {
    waiting: BTreeMap<Shard, Asked>,
    on_the_way: BTreeMap<Shard, Asked>,
    sent_at: Option<Instant>,
    progress: BTreeMap<Shard, Progress>,
    /// A commit without an answer for this long is given up: librdkafka itself gives up after the session's timeout.
    answer_within: Duration,
    acknowledged: Counter,
    refused: Counter,
}

impl Commits {
    pub(super) fn new(answer_within: Duration) -> Self {
        Self {
            waiting: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            sent_at: None,
            progress: BTreeMap::new(),
            answer_within,
            acknowledged: counter!(COMMITS, "result" => "acknowledged"),
            refused: counter!(COMMITS, "result" => "refused"),
        }
    }

    /// Asks for a commit; of several, the highest is sent.
    pub(super) fn ask(&mut self, commit: Commit, done: Option<CommitDone>) {
        let progress = self.progress.entry(commit.shard).or_insert(Progress {
            asked: commit.next_offset,
            acknowledged: None,
        });
        progress.asked = progress.asked.max(commit.next_offset);
        let waiting = self.waiting.entry(commit.shard).or_default();
        waiting.next_offset = progress.asked;
        waiting.dones.extend(done);
    }

    /// What is to be sent now: nothing while another commit is on its way.
    pub(super) fn next(&mut self, now: Instant) -> Option<Vec<Commit>> {
        if self
            .sent_at
            .is_some_and(|sent_at| now.duration_since(sent_at) > self.answer_within)
        {
            self.fail_sent("no answer");
        }
        if self.sent_at.is_some() || self.waiting.is_empty() {
            return None;
        }
        self.sent_at = Some(now);
        self.on_the_way = std::mem::take(&mut self.waiting);
        let batch = self
            .on_the_way
            .iter()
            .map(|(shard, asked)| Commit {
                shard: *shard,
                next_offset: asked.next_offset,
            })
            .collect();
        Some(batch)
    }

    /// What the broker said of one partition's offset. An answer to a commit that was given up finds nobody waiting.
    pub(super) fn answered(&mut self, commit: Commit, answer: Result<(), RDKafkaErrorCode>) {
        let Commit { shard, next_offset } = commit;
        if answer.is_ok()
            && let Some(progress) = self.progress.get_mut(&shard)
        {
            progress.acknowledged = progress.acknowledged.max(Some(next_offset));
        }
        if self
            .on_the_way
            .get(&shard)
            .is_none_or(|asked| asked.next_offset != next_offset)
        {
            return;
        }
        let result = answer.map_err(as_commit_error);
        match &result {
            Ok(()) => self.acknowledged.increment(1),
            Err(error) => {
                self.refused.increment(1);
                // It is tried again with every tick.
                repeats::warn(
                    "commits",
                    format!("offset {next_offset} of partition {shard}: {error}"),
                );
                if *error == CommitError::NotOurs {
                    self.progress.remove(&shard);
                }
            }
        }
        if let Some(asked) = self.on_the_way.remove(&shard) {
            asked.answer(&result);
        }
        if self.on_the_way.is_empty() {
            self.sent_at = None;
        }
    }

    /// The commit on its way failed as a whole.
    fn fail_sent(&mut self, why: &str) {
        self.sent_at = None;
        let result = Err(CommitError::Failed(why.into()));
        for (_, asked) in std::mem::take(&mut self.on_the_way) {
            self.refused.increment(1);
            asked.answer(&result);
        }
    }

    /// Whether the last offset that was asked for is acknowledged for each of the shards; where one is not, it is asked
    /// for again.
    pub(super) fn settle(&mut self, shards: &[Shard]) -> bool {
        let mut is_settled = true;
        for shard in shards {
            let Some(progress) = self.progress.get(shard).copied() else {
                continue;
            };
            if progress.acknowledged >= Some(progress.asked) {
                continue;
            }
            is_settled = false;
            if !self.waiting.contains_key(shard) && !self.on_the_way.contains_key(shard) {
                self.ask(
                    Commit {
                        shard: *shard,
                        next_offset: progress.asked,
                    },
                    None,
                );
            }
        }
        is_settled
    }

    /// The shards are not ours any more.
    pub(super) fn release(&mut self, shards: &[Shard]) {
        for shard in shards {
            self.progress.remove(shard);
            for asked in [self.waiting.remove(shard), self.on_the_way.remove(shard)]
                .into_iter()
                .flatten()
            {
                asked.answer(&Err(CommitError::NotOurs));
            }
        }
        if self.on_the_way.is_empty() {
            self.sent_at = None;
        }
    }
}

fn as_commit_error(code: RDKafkaErrorCode) -> CommitError {
    match code {
        RDKafkaErrorCode::IllegalGeneration
        | RDKafkaErrorCode::UnknownMemberId
        | RDKafkaErrorCode::FencedInstanceId
        | RDKafkaErrorCode::StaleMemberEpoch
        | RDKafkaErrorCode::FencedMemberEpoch
        | RDKafkaErrorCode::AssignmentLost => CommitError::NotOurs,
        other => CommitError::Failed(other.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    type Answers = Receiver<(i64, Result<(), CommitError>)>;

    struct Story {
        commits: Commits,
        sender: Sender<(i64, Result<(), CommitError>)>,
        answers: Answers,
        now: Instant,
    }

    impl Story {
        fn new() -> Self {
            let (sender, answers) = channel();
            Self {
                commits: Commits::new(Duration::from_secs(10)),
                sender,
                answers,
                now: Instant::now(),
            }
        }

        fn ask(&mut self, shard: u32, next_offset: i64) {
            let sender = self.sender.clone();
            let done = Done::new(move |result| sender.send((next_offset, result)).unwrap());
            self.commits.ask(
                Commit {
                    shard: Shard(shard),
                    next_offset,
                },
                Some(done),
            );
        }

        fn sent(&mut self) -> Vec<(u32, i64)> {
            let batch = self.commits.next(self.now).unwrap_or_default();
            batch
                .into_iter()
                .map(|commit| (commit.shard.0, commit.next_offset))
                .collect()
        }

        fn answered(&mut self, shard: u32, next_offset: i64, answer: Result<(), RDKafkaErrorCode>) {
            self.commits.answered(
                Commit {
                    shard: Shard(shard),
                    next_offset,
                },
                answer,
            );
        }

        fn told(&self) -> Vec<(i64, Result<(), CommitError>)> {
            self.answers.try_iter().collect()
        }
    }

    #[test]
    fn the_newest_covers_the_older_ones() {
        let mut story = Story::new();
        story.ask(1, 5);
        story.ask(1, 9);
        story.ask(1, 7);
        assert_eq!(story.sent(), [(1, 9)]);
        story.answered(1, 9, Ok(()));
        assert_eq!(story.told(), [(5, Ok(())), (9, Ok(())), (7, Ok(()))]);
    }

    #[test]
    fn one_commit_is_on_its_way_at_a_time() {
        let mut story = Story::new();
        story.ask(1, 5);
        assert_eq!(story.sent(), [(1, 5)]);
        story.ask(1, 6);
        story.ask(2, 3);
        assert_eq!(story.sent(), []);
        story.answered(1, 5, Ok(()));
        assert_eq!(story.sent(), [(1, 6), (2, 3)]);
    }

    #[test]
    fn the_same_offset_is_sent_again_since_it_renews_the_lease() {
        let mut story = Story::new();
        story.ask(1, 5);
        assert_eq!(story.sent(), [(1, 5)]);
        story.answered(1, 5, Ok(()));
        story.ask(1, 5);
        assert_eq!(story.sent(), [(1, 5)]);
    }

    #[test]
    fn who_is_fenced_is_told_that_it_is_not_ours() {
        let mut story = Story::new();
        story.ask(1, 5);
        story.sent();
        story.answered(1, 5, Err(RDKafkaErrorCode::IllegalGeneration));
        assert_eq!(story.told(), [(5, Err(CommitError::NotOurs))]);
    }

    #[test]
    fn a_refused_commit_leaves_the_way_free_and_is_settled_again() {
        let mut story = Story::new();
        story.ask(1, 5);
        story.sent();
        story.answered(1, 5, Err(RDKafkaErrorCode::RebalanceInProgress));
        assert!(matches!(
            story.told()[..],
            [(5, Err(CommitError::Failed(_)))]
        ));
        assert!(!story.commits.settle(&[Shard(1)]));
        assert_eq!(story.sent(), [(1, 5)]);
        story.answered(1, 5, Ok(()));
        assert!(story.commits.settle(&[Shard(1)]));
    }

    #[test]
    fn a_commit_without_an_answer_is_given_up_and_its_late_answer_harms_nobody() {
        let mut story = Story::new();
        story.ask(1, 5);
        story.sent();
        story.ask(1, 6);
        story.now += Duration::from_secs(11);
        assert_eq!(story.sent(), [(1, 6)]);
        assert!(matches!(
            story.told()[..],
            [(5, Err(CommitError::Failed(_)))]
        ));
        story.answered(1, 5, Ok(()));
        assert_eq!(story.told(), []);
        story.answered(1, 6, Ok(()));
        assert_eq!(story.told(), [(6, Ok(()))]);
    }

    #[test]
    fn what_was_taken_away_is_answered_at_once() {
        let mut story = Story::new();
        story.ask(1, 5);
        story.sent();
        story.ask(1, 6);
        story.ask(2, 1);
        story.commits.release(&[Shard(1)]);
        assert_eq!(
            story.told(),
            [
                (6, Err(CommitError::NotOurs)),
                (5, Err(CommitError::NotOurs))
            ]
        );
        assert_eq!(story.sent(), [(2, 1)]);
    }

    #[test]
    fn dropped_with_all_its_commits_it_still_answers() {
        let mut story = Story::new();
        story.ask(1, 5);
        story.commits = Commits::new(Duration::from_secs(10));
        assert!(matches!(
            story.told()[..],
            [(5, Err(CommitError::Failed(_)))]
        ));
    }
}
