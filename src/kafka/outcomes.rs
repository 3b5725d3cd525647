//! The producer: outcomes, dead letters and misplaced records go out, and each is answered once the broker has it, or has
//! not. One idempotent producer, and a thread that serves its acknowledgements.

mod cutting;
mod delivery;
mod letter;
mod waiting;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use almoner_actors::ports::{Done, Forward, Letters, Outcomes, OwnedHeader, PublishError};
use almoner_domain::dead_letter::DeadLetter;
use almoner_domain::outcome::Message;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::time::Instant;

use super::client_config::{Role, client_config};
use super::error::KafkaError;
use super::options::{KafkaOptions, Topics};
use super::troubles::Troubles;
use cutting::Cutting;
use delivery::{Counters, Deliveries, Kind, Parcel};
pub use letter::Letter;
use waiting::Waiting;

/// How long the thread polls before it looks after what waits. The client's library spins through the last millisecond
/// of each poll, so that short ones cost a part of a core, whether anything is published or not.
const POLL: Duration = Duration::from_millis(100);

/// The producer of [`Outcomes`].
pub struct KafkaOutcomes {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl KafkaOutcomes {
    /// Makes the producer and its thread. No broker is needed for that.
    ///
    /// Dead letters that the broker does not take whole are kept in `letters` first.
    ///
    /// # Errors
    /// What is wrong with the options; the client or its thread could not be made.
    pub fn start(options: &KafkaOptions, letters: Arc<dyn Letters>) -> Result<Self, KafkaError> {
        let waiting = Arc::new(Waiting::default());
        let counters = Arc::new(Counters::new());
        let cutting = Arc::new(Cutting {
            letters,
            waiting: Arc::clone(&waiting),
            counters: Arc::clone(&counters),
        });
        let factory = Factory {
            config: client_config(options, Role::Producer)?,
            cutting: Arc::clone(&cutting),
            troubles: Arc::new(Troubles::new(options)),
        };
        let shared = Arc::new(Shared {
            producer: RwLock::new(Some(factory.make()?)),
            topics: options.topics.clone(),
            waiting,
            counters,
            cutting,
            troubles: Arc::clone(&factory.troubles),
            stop_within: Mutex::default(),
            is_stopping: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        let thread = Builder::new()
            .name("kafka-producer".to_owned())
            .spawn(move || served.serve(&factory))
            .map_err(|error| KafkaError::Client(error.to_string()))?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Publishes what waits, for at most `within`; what is not acknowledged by then is answered as failed. Blocks until
    /// that is done; what is published later fails at once.
    pub fn stop(&self, within: Duration) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            *self
                .shared
                .stop_within
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = within;
            self.shared.is_stopping.store(true, Ordering::Release);
            // A panic of the thread leaves nothing unanswered: completions answer when they are dropped.
            let _ = thread.join();
        }
    }

    /// What keeps it from publishing.
    #[must_use]
    pub fn troubles(&self) -> &Troubles {
        &self.shared.troubles
    }

    /// Publishes a dead letter as it is to be written.
    pub fn send_letter(&self, letter: Letter, done: Done<Result<(), PublishError>>) {
        self.shared.send(letter.into_parcel(done));
    }
}

impl Drop for KafkaOutcomes {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

impl Outcomes for KafkaOutcomes {
    fn publish(&self, message: Message, done: Done<Result<(), PublishError>>) {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            headers = headers.insert(Header {
                key,
                value: Some(value.as_bytes()),
            });
        }
        self.shared.send(Parcel {
            kind: Kind::Outcome,
            partition: None,
            key: Some(message.key.into_boxed_bytes()),
            value: Some(message.value),
            headers,
            letter: None,
            done,
        });
    }

    fn dead_letter(&self, letter: DeadLetter, done: Done<Result<(), PublishError>>) {
        self.send_letter(Letter::from(letter), done);
    }

    fn forward(&self, forward: Forward, done: Done<Result<(), PublishError>>) {
        self.shared.send(Parcel {
            kind: Kind::Forward,
            partition: Some(forward.to.0.cast_signed()),
            key: forward.key,
            value: forward.value.map(Vec::from),
            headers: owned_headers(&forward.headers),
            letter: None,
            done,
        });
    }
}

fn owned_headers(headers: &[OwnedHeader]) -> OwnedHeaders {
    headers.iter().fold(
        OwnedHeaders::new_with_capacity(headers.len()),
        |all, (key, value)| {
            all.insert(Header {
                key,
                value: value.as_deref(),
            })
        },
    )
}

/// Makes producers: a fatal error of the client ends one, and the next takes over.
struct Factory {
    config: ClientConfig,
    cutting: Arc<Cutting>,
    troubles: Arc<Troubles>,
}

impl Factory {
    fn make(&self) -> Result<BaseProducer<Deliveries>, KafkaError> {
        let deliveries = Deliveries::new(Arc::clone(&self.cutting), Arc::clone(&self.troubles));
        Ok(self.config.create_with_context(deliveries)?)
    }
}

struct Shared {
    /// None once stopped.
    producer: RwLock<Option<BaseProducer<Deliveries>>>,
    topics: Topics,
    waiting: Arc<Waiting>,
    counters: Arc<Counters>,
    cutting: Arc<Cutting>,
    troubles: Arc<Troubles>,
    stop_within: Mutex<Duration>,
    is_stopping: AtomicBool,
}

impl Shared {
    /// Hands a record to the producer, or puts it in line.
    fn send(&self, parcel: Parcel) {
        let refused = if self.waiting.is_empty() {
            self.produce(parcel)
        } else {
            Err(parcel)
        };
        if let Err(parcel) = refused
            && let Err(parcel) = self.waiting.push(parcel)
        {
            self.counters.failed(parcel.kind);
            parcel
                .done
                .call(Err(PublishError("the producer's queue is full".into())));
        }
    }

    /// Hands a record to the producer; it comes back if the queue is full.
    fn produce(&self, parcel: Parcel) -> Result<(), Parcel> {
        let topic = match parcel.kind {
            Kind::Outcome => &self.topics.outcomes,
            Kind::DeadLetter => &self.topics.dead_letters,
            Kind::Forward => &self.topics.requests,
        };
        let Err(failure) = self.try_produce(topic, parcel) else {
            return Ok(());
        };
        let (error, mut returned) = *failure;
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Err(returned),
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => match returned.letter.take() {
                // It is shorter each time.
                Some(letter) if letter.can_be_cut() => {
                    self.cutting.shorten(*letter, returned.done);
                    Ok(())
                }
                _ => self.refuse(returned, &error),
            },
            _ => self.refuse(returned, &error),
        }
    }

    fn refuse(&self, parcel: Parcel, error: &ClientError) -> Result<(), Parcel> {
        self.counters.failed(parcel.kind);
        if let Some(code) = error.rdkafka_error_code() {
            let said = code.to_string();
            self.troubles.begin(parcel.kind.doing(), code, &said);
        }
        parcel
            .done
            .call(Err(PublishError(error.to_string().into())));
        Ok(())
    }

    fn try_produce(&self, topic: &str, parcel: Parcel) -> Result<(), Box<(ClientError, Parcel)>> {
        let guard = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        let Some(producer) = guard.as_ref() else {
            return Err(Box::new((ClientError::Canceled, parcel)));
        };
        let (key, value, partition, headers, sent) = parcel.split();
        let mut record = BaseRecord::with_opaque_to(topic, sent).headers(headers);
        record.key = key.as_deref();
        record.payload = value.as_deref();
        record.partition = partition;
        match producer.send(record) {
            Ok(()) => Ok(()),
            Err((error, record)) => {
                let (headers, sent) = (record.headers, record.delivery_opaque);
                let parcel = Parcel::join(key, value, partition, headers, *sent);
                Err(Box::new((error, parcel)))
            }
        }
    }

    /// The thread: acknowledgements, what waits, a fatal error, the end.
    fn serve(&self, factory: &Factory) {
        while !self.is_stopping.load(Ordering::Acquire) {
            self.poll();
            self.send_waiting();
            self.replace_after_fatal(factory);
        }
        let within = *self
            .stop_within
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + within;
        while Instant::now() < until && self.has_unsent() {
            self.poll();
            self.send_waiting();
        }
        // Dropped outside the lock: it answers what is not acknowledged, and those who hear of it may publish again.
        let producer = self
            .producer
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(producer);
        drop(self.waiting.close());
    }

    // Completions run in here and may publish, which reads the lock again: this thread alone ever writes it.
    fn poll(&self) {
        let guard = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(producer) = guard.as_ref() {
            producer.poll(POLL);
        }
    }

    fn has_unsent(&self) -> bool {
        let guard = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        !self.waiting.is_empty()
            || guard
                .as_ref()
                .is_some_and(|producer| producer.in_flight_count() > 0)
    }

    fn send_waiting(&self) {
        while let Some(parcel) = self.waiting.pop() {
            if let Err(parcel) = self.produce(parcel) {
                self.waiting.push_front(parcel);
                return;
            }
        }
    }

    fn replace_after_fatal(&self, factory: &Factory) {
        let fatal = {
            let guard = self.producer.read().unwrap_or_else(PoisonError::into_inner);
            guard
                .as_ref()
                .and_then(|producer| producer.client().fatal_error())
        };
        let Some((code, reason)) = fatal else { return };
        tracing::error!(target: "almoner::kafka", "the producer is made anew, since it cannot go on: {reason} ({code})");
        match factory.make() {
            Ok(next) => {
                let last = self
                    .producer
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .replace(next);
                drop(last);
            }
            Err(error) => tracing::error!(target: "almoner::kafka", "no new producer: {error}"),
        }
    }
}
