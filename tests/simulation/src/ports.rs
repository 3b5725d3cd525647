//! The ports of one process: they fail as the history says, and die, or stand still, with their process.

mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::{
    Clock, Commit, CommitError, Done, Dropped, Forward, Gateway, GatewayCall, Inexpressible,
    Outcomes, PublishError, Recorded, Source, Store, StoreError,
};
use almoner_domain::answer::Answer;
use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::ids::DonationId;
use almoner_domain::outcome::Message;
use almoner_domain::request::DonationRequest;

use crate::chance::hash;
use crate::diary::lock;
use crate::faults::Fault;
use crate::figures::SESSION_TIMEOUT_MS;
use crate::judge::Departure;
use crate::life::{Life, ProcessClock};
use crate::outside::{Outside, sleep};

/// All ports of one process, as its actors see them.
#[derive(Clone)]
pub struct Ports {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The gateway.
    pub gateway: Arc<dyn Gateway>,
    /// The topics of outcomes, dead letters and forwards.
    pub outcomes: Arc<dyn Outcomes>,
    /// The commits.
    pub source: Arc<dyn Source>,
}

/// The assignments that a process knows of: of each of its partitions the generation, and since when, boot clock.
pub type Generations = Arc<Mutex<BTreeMap<u32, (u64, i64)>>>;

/// Every port of one process.
pub struct Port {
    /// The world.
    pub outside: Arc<Outside>,
    /// Whose ports.
    pub life: Arc<Life>,
    /// The process's own clock.
    pub clock: Arc<ProcessClock>,
    /// What it believes to own.
    pub generations: Generations,
}

impl Port {
    /// One port for everything.
    #[must_use]
    pub fn ports(self: &Arc<Self>) -> Ports {
        Ports {
            store: Arc::clone(self) as _,
            gateway: Arc::clone(self) as _,
            outcomes: Arc::clone(self) as _,
            source: Arc::clone(self) as _,
        }
    }

    /// Makes a call as its fault says.
    fn run<T: Dropped + Send + 'static>(
        &self,
        step: &'static str,
        what: u64,
        refused: T,
        done: Done<T>,
        call: impl FnOnce(Done<T>) + Send + 'static,
    ) {
        let fault = self.fault(step, what);
        self.run_with(fault, refused, done, call);
    }

    /// What happens to this call; a crash of its caller happens here.
    fn fault(&self, step: &'static str, what: u64) -> Fault {
        if !self.life.is_alive() {
            return Fault::None;
        }
        let fault = self.outside.faults.of(step, what);
        if fault != Fault::None {
            let number = self.life.number;
            self.outside
                .diary
                .note(|| format!("process {number}, {step} {what:x}: {fault:?}"));
        }
        if fault == Fault::Panic {
            self.outside
                .judge
                .crashed(self.life.number, self.clock.boot_ms());
            panic!("planned: {step}");
        }
        fault
    }

    fn run_with<T: Dropped + Send + 'static>(
        &self,
        fault: Fault,
        refused: T,
        done: Done<T>,
        call: impl FnOnce(Done<T>) + Send + 'static,
    ) {
        let done = self.life.heard(done);
        let life = Arc::clone(&self.life);
        match fault {
            Fault::None | Fault::Panic => life.call(move || call(done)),
            Fault::Refuse => done.call(refused),
            Fault::LoseAnswer => life.call(move || call(Done::new(move |_| done.call(refused)))),
            Fault::DelayMs(ms) => drop(actix::spawn(async move {
                sleep(ms).await;
                life.call(move || call(done));
            })),
            Fault::AnswerAfterMs(ms) => life.call(move || {
                call(Done::new(move |answer| {
                    drop(actix::spawn(async move {
                        sleep(ms).await;
                        done.call(answer);
                    }));
                }));
            }),
        }
    }

    fn store<T: Send + 'static>(
        &self,
        step: &'static str,
        what: u64,
        done: Done<Result<T, StoreError>>,
        call: impl FnOnce(&MemoryStore, Done<Result<T, StoreError>>) + Send + 'static,
    ) where
        Result<T, StoreError>: Dropped,
    {
        let commit_after_ms = 1 + self
            .outside
            .faults
            .dice("commit of the store", what)
            .below(12);
        let (disk, process) = (Arc::clone(&self.outside.disk), self.life.number);
        let refused = Err(StoreError::Poisoned("planned".into()));
        self.run(step, what, refused, done, move |done| {
            disk.submit(process, commit_after_ms, done, call)
        });
    }

    fn publish_with(
        &self,
        step: &'static str,
        what: u64,
        partition: u32,
        done: Done<Result<(), PublishError>>,
        keep: impl FnOnce(&Outside) + Send + 'static,
    ) {
        let after_ms = 1 + self.outside.faults.dice("acknowledgement", what).below(20);
        let outside = Arc::clone(&self.outside);
        let refused = Err(PublishError("planned".into()));
        self.run(step, what, refused.clone(), done, move |done| {
            drop(actix::spawn(async move {
                if outside.is_unreachable(partition) {
                    sleep(1_000).await;
                    return done.call(refused);
                }
                keep(&outside);
                sleep(after_ms).await;
                done.call(Ok(()));
            }));
        });
    }

    fn partition_of(&self, request: &DonationRequest) -> u32 {
        self.outside
            .partition_of(request.user_id.as_str().as_bytes())
    }

    fn generation(&self, partition: u32) -> (u64, i64) {
        lock(&self.generations)
            .get(&partition)
            .copied()
            .unwrap_or((0, 0))
    }

    fn is_accepted(&self, id: DonationId) -> bool {
        self.outside.disk.rows.recorded(id).is_some()
    }
}

fn of(id: DonationId) -> u64 {
    hash(&id.0)
}

impl Outcomes for Port {
    fn publish(&self, message: Message, done: Done<Result<(), PublishError>>) {
        let partition = self.outside.partition_of(message.key.as_bytes());
        let what = hash(&message.value);
        self.publish_with("publish", what, partition, done, move |outside| {
            let said = outside.judge.published(&message, |id| outside.standing(id));
            outside.diary.note(|| said.unwrap_or_default());
        });
    }

    fn dead_letter(&self, letter: DeadLetter, done: Done<Result<(), PublishError>>) {
        let (partition, offset) = (u32::try_from(letter.partition).unwrap_or(0), letter.offset);
        let what = u64::from(partition) << 32 | offset.unsigned_abs();
        self.publish_with("dead_letter", what, partition, done, move |outside| {
            let all = outside.disk.rows.all();
            let is_here = |it: &Recorded| {
                it.donation.place.partition == partition && it.donation.place.offset == offset
            };
            let value = letter.value.as_deref().unwrap_or_default();
            outside
                .judge
                .dead_letter(partition, offset, value, all.iter().any(is_here));
            outside.diary.note(|| {
                format!(
                    "offset {offset} of partition {partition}: dead letter, {:?}",
                    letter.reason
                )
            });
        });
    }

    fn forward(&self, forward: Forward, done: Done<Result<(), PublishError>>) {
        let from = forward
            .headers
            .iter()
            .find(|(name, _)| &**name == almoner_actors::intake::FORWARDED);
        let from = from
            .and_then(|(_, value)| String::from_utf8(value.as_deref()?.to_vec()).ok())
            .unwrap_or_default();
        let what = hash(from.as_bytes());
        let partition = forward.to.0;
        self.publish_with("forward", what, partition, done, move |outside| {
            let to = forward.to;
            let at = outside.broker.forward(forward, outside.clock.wall_ms());
            let mut words = from
                .split('/')
                .skip(1)
                .filter_map(|word| word.parse::<i64>().ok());
            if let (Some(partition), Some(offset)) = (words.next(), words.next()) {
                let first = (u32::try_from(partition).unwrap_or(0), offset);
                outside.judge.forwarded(first, (to.0, at));
            }
            outside
                .diary
                .note(|| format!("{from} is forwarded to partition {to}, offset {at}"));
        });
    }
}

impl Source for Port {
    fn commit(&self, commit: Commit, done: Done<Result<(), CommitError>>) {
        let partition = commit.shard.0;
        let (process, (generation, _)) = (self.life.number, self.generation(partition));
        let sent_at_ms = self.clock.boot_ms();
        let what = u64::from(partition) << 32 | commit.next_offset.unsigned_abs();
        let after_ms = 1 + self.outside.faults.dice("acknowledgement", what).below(20);
        let refused: Result<(), CommitError> = Err(CommitError::Failed("planned".into()));
        let outside = Arc::clone(&self.outside);
        self.run("commit", what, refused.clone(), done, move |done| {
            drop(actix::spawn(async move {
                if outside.is_unreachable(partition) {
                    sleep(1_000).await;
                    return done.call(refused);
                }
                let committed = outside
                    .broker
                    .commit(commit, process, generation, sent_at_ms);
                if committed
                    .as_ref()
                    .is_ok_and(|before| *before != commit.next_offset)
                {
                    outside.judge.committed(partition, commit.next_offset);
                }
                if committed.as_ref() != Ok(&commit.next_offset) {
                    outside
                        .diary
                        .note(|| format!("process {process}: {commit:?} → {committed:?}"));
                }
                sleep(after_ms).await;
                done.call(committed.map(|_| ()));
            }));
        });
    }
}

impl Gateway for Port {
    fn freeze(&self, _: &DonationRequest) -> Result<u16, Inexpressible> {
        Ok(1)
    }

    fn call(&self, call: GatewayCall, done: Done<Answer>) {
        let request = self.outside.request(&call);
        let (id, name) = (request.id, call.call.name());
        let user_id = call.donation.request.user_id.clone();
        let (process, partition) = (self.life.number, self.partition_of(&call.donation.request));
        let (generation, assigned_at_ms) = self.generation(partition);
        let now_ms = self.clock.boot_ms();
        let what = hash(request.key.as_deref().unwrap_or(&request.body).as_bytes());
        let send = format!("{id} {:?}", call.call);
        let fault = self.fault("gateway", what);
        if self.life.is_alive() {
            let proven_at_ms = self.outside.broker.proven_at_ms(partition, process);
            let is_over = |id| self.outside.is_over(id);
            self.outside.judge.departs(&Departure {
                id,
                user_id: &user_id,
                process,
                partition,
                generation,
                assigned_at_ms,
                call: format!("{:?}", call.call),
                moves_money: call.call.moves_money(),
                key: request.key.as_deref(),
                body: &request.body,
                now_ms,
                is_accepted: self.is_accepted(id),
                is_over: &is_over,
                lease_left_ms: proven_at_ms.map(|at_ms| at_ms + SESSION_TIMEOUT_MS - now_ms),
                timeout_ms: self.outside.settings.gateway_timeout_ms,
                deadline_ms: self.outside.settings.send_deadline_ms,
            });
            self.outside
                .diary
                .note(|| format!("{send}: process {process} sends"));
        }
        let outside = Arc::clone(&self.outside);
        let back = Done::new(move |answer: Answer| {
            outside
                .judge
                .is_back(process, partition, generation, &user_id, &send);
            outside.hear(name, &answer);
            outside
                .diary
                .note(|| format!("{send}: process {process} hears {}", answer.class()));
            done.call(answer);
        });
        let outside = Arc::clone(&self.outside);
        let lost = Answer::Lost("planned".into());
        self.run_with(fault, lost, back, move |done| {
            outside.transmit(request, done)
        });
    }
}
