//! Questions to the broker that may take long, asked on a thread beside the loop, so that commits and callbacks never wait
//! for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope};
use std::time::Duration;

use almoner_actors::ports::{Clock, LogRange};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;

use super::events::GroupEvents;
use super::reading::Fatal;
use super::{Command, panic_text};
use crate::kafka::{offsets, repeats};

/// How long the broker may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long to wait before a failed question is asked again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

enum Question {
    Ranges(u64, Vec<i32>),
    Ends(Vec<i32>),
    Edges(Vec<i32>),
}

/// Where questions are put; the answers come as commands. The thread ends when this is dropped, also by a panic.
pub(super) struct Lookups {
    questions: Sender<Question>,
    is_over: Arc<AtomicBool>,
}

impl Drop for Lookups {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}

impl Lookups {
    /// Starts the thread.
    ///
    /// # Errors
    /// There are no more threads to be had.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        client: &'scope BaseConsumer<GroupEvents>,
        topic: &'scope str,
        answers: Sender<Command>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Fatal> {
        let (questions, asked) = channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = Thread {
            client,
            topic,
            answers,
            clock,
            is_over: Arc::clone(&is_over),
        };
        Builder::new()
            .name("kafka-lookups".to_owned())
            .spawn_scoped(scope, move || thread.run(&asked))
            .map_err(|error| Fatal(format!("no thread for Kafka's look-ups: {error}")))?;
        Ok(Self { questions, is_over })
    }

    /// What the log holds of newly assigned partitions: asked until answered.
    pub(super) fn ask_ranges(&self, assignment: u64, partitions: Vec<i32>) {
        self.ask(Question::Ranges(assignment, partitions));
    }

    /// Where the logs end; without an answer nothing comes.
    pub(super) fn ask_ends(&self, partitions: Vec<i32>) {
        self.ask(Question::Ends(partitions));
    }

    /// Where the logs begin and end; without an answer nothing comes.
    pub(super) fn ask_edges(&self, partitions: Vec<i32>) {
        self.ask(Question::Edges(partitions));
    }

    fn ask(&self, question: Question) {
        // The thread ends before us only by a panic, which it reports itself.
        let _ = self.questions.send(question);
    }
}

struct Thread<'c> {
    client: &'c BaseConsumer<GroupEvents>,
    topic: &'c str,
    answers: Sender<Command>,
    clock: Arc<dyn Clock>,
    is_over: Arc<AtomicBool>,
}

impl Thread<'_> {
    fn run(&self, asked: &Receiver<Question>) {
        for question in asked {
            let answer = catch_unwind(AssertUnwindSafe(|| self.answer(question)));
            let command = match answer {
                Ok(Some(command)) => command,
                Ok(None) => continue,
                Err(panic) => Command::Fail(format!(
                    "Kafka's look-ups panicked: {}",
                    panic_text(panic.as_ref())
                )),
            };
            if self.answers.send(command).is_err() {
                return;
            }
        }
    }

    fn answer(&self, question: Question) -> Option<Command> {
        match question {
            Question::Ranges(assignment, partitions) => {
                self.until_answered(assignment, &partitions)
            }
            Question::Ends(partitions) => {
                let asked_wall_ms = self.clock.wall_ms();
                let ends =
                    offsets::highs(self.client, self.topic, &partitions, ANSWER_WITHIN).ok()?;
                Some(Command::Ends(asked_wall_ms, ends))
            }
            Question::Edges(partitions) => self.ranges(&partitions).ok().map(Command::Edges),
        }
    }

    fn until_answered(&self, assignment: u64, partitions: &[i32]) -> Option<Command> {
        while !self.is_over.load(Ordering::Acquire) {
            match self.ranges(partitions) {
                Ok(ranges) => return Some(Command::Ranges(assignment, ranges)),
                Err(error) => {
                    self.client.context().refused(&error);
                    repeats::warn(
                        "ranges",
                        format!("the group's offsets cannot be read yet: {error}"),
                    );
                    std::thread::sleep(RETRY_AFTER);
                }
            }
        }
        None
    }

    fn ranges(&self, partitions: &[i32]) -> KafkaResult<Vec<(i32, LogRange)>> {
        offsets::ranges(self.client, self.topic, partitions, ANSWER_WITHIN)
    }
}
