//! Sends commits, one after the other, on a thread beside the loop: each is a synchronous call of librdkafka, whose answer
//! needs no poll. (The asynchronous one never answers in rdkafka 0.39: its issue 856.)

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope};

use almoner_actors::ports::Commit;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::events::GroupEvents;
use super::reading::Fatal;
use super::{Command, panic_text};

/// Where commits are sent; the answers come as commands. The thread ends when this is dropped.
pub(super) struct Committer(Sender<Vec<Commit>>);

impl Committer {
    /// Starts the thread.
    ///
    /// # Errors
    /// There are no more threads to be had.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        client: &'scope BaseConsumer<GroupEvents>,
        topic: &'scope str,
        answers: Sender<Command>,
    ) -> Result<Self, Fatal> {
        let (commits, sent) = channel();
        Builder::new()
            .name("kafka-commits".to_owned())
            .spawn_scoped(scope, move || run(client, topic, &sent, &answers))
            .map_err(|error| Fatal(format!("no thread for Kafka's commits: {error}")))?;
        Ok(Self(commits))
    }

    pub(super) fn send(&self, batch: Vec<Commit>) {
        // The thread ends before us only by a panic, which it reports itself.
        let _ = self.0.send(batch);
    }
}

fn run(
    client: &BaseConsumer<GroupEvents>,
    topic: &str,
    sent: &Receiver<Vec<Commit>>,
    answers: &Sender<Command>,
) {
    for batch in sent {
        let answer = match catch_unwind(AssertUnwindSafe(|| commit(client, topic, &batch))) {
            Ok(answer) => Command::Committed(batch, answer),
            Err(panic) => Command::Fail(format!(
                "Kafka's commits panicked: {}",
                panic_text(panic.as_ref())
            )),
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

/// Commits all of the batch; if any of it was refused, the answer is an error.
fn commit(
    client: &BaseConsumer<GroupEvents>,
    topic: &str,
    batch: &[Commit],
) -> Result<(), RDKafkaErrorCode> {
    let code = |error: rdkafka::error::KafkaError| {
        error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
    };
    let mut list = TopicPartitionList::with_capacity(batch.len());
    for Commit { shard, next_offset } in batch {
        list.add_partition_offset(topic, shard.0.cast_signed(), Offset::Offset(*next_offset))
            .map_err(code)?;
    }
    client.commit(&list, CommitMode::Sync).map_err(code)
}
