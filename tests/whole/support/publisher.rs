//! A front end's producer, which can also publish what no front end should.

use std::time::Duration;

use almoner::kafka::options::KafkaOptions;
use almoner_domain::partition::Partitioner;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::RUNTIME;
use super::raw_produce::raw_produce;
use super::world::PARTITIONS;

/// More than any broker takes by default.
const VALUE_BYTES_MAX: &str = "8000000";
const PAUSE: Duration = Duration::from_millis(5);

/// Where a record stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    pub partition: u32,
    pub offset: i64,
}

/// A record to publish.
#[derive(Clone, Default, Debug)]
pub struct Post {
    /// Chosen by the key if `None`.
    pub partition: Option<u32>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Names are usually text, but a producer may write any bytes.
    pub headers: Vec<(&'static [u8], Vec<u8>)>,
}

impl Post {
    /// The partition of four to which it goes, by its key unless it says so itself.
    pub fn shard(&self) -> u32 {
        let of_key = || {
            Partitioner::default().partition(self.key.as_deref().unwrap_or_default(), PARTITIONS)
        };
        self.partition.unwrap_or_else(of_key)
    }
}

/// A producer.
pub struct Publisher {
    producer: FutureProducer,
    options: KafkaOptions,
}

impl Publisher {
    pub fn new(options: &KafkaOptions) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &options.bootstrap_servers)
            .set("partitioner", options.partitioner.as_str())
            .set("enable.idempotence", "true")
            .set("message.max.bytes", VALUE_BYTES_MAX)
            .set("linger.ms", "5")
            .create()
            .unwrap();
        Self {
            producer,
            options: options.clone(),
        }
    }

    /// Publishes requests, and waits until the broker has them all.
    pub fn publish(&self, posts: &[Post]) -> Vec<Place> {
        self.publish_to(&self.options.topics.requests, posts)
    }

    /// Publishes campaigns, and waits until the broker has them all.
    pub fn campaigns(&self, posts: &[Post]) -> Vec<Place> {
        self.publish_to(&self.options.topics.campaigns, posts)
    }

    fn publish_to(&self, topic: &str, posts: &[Post]) -> Vec<Place> {
        let sent: Vec<_> = posts.iter().map(|post| self.send(topic, post)).collect();
        sent.into_iter().map(Sent::wait).collect()
    }

    fn send(&self, topic: &str, post: &Post) -> Sent {
        let mut headers = OwnedHeaders::new();
        for (name, value) in &post.headers {
            let Ok(key) = std::str::from_utf8(name) else {
                return Sent::Raw(raw_produce(&self.options.bootstrap_servers, topic, post));
            };
            let value = Some(value);
            headers = headers.insert(Header { key, value });
        }
        loop {
            let record = FutureRecord::<[u8], [u8]> {
                topic,
                partition: post.partition.map(|it| i32::try_from(it).unwrap()),
                payload: post.value.as_deref(),
                key: post.key.as_deref(),
                timestamp: None,
                headers: (!post.headers.is_empty()).then(|| headers.clone()),
            };
            match self.producer.send_result(record) {
                Ok(delivery) => return Sent::Delivery(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    std::thread::sleep(PAUSE);
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
    }
}

/// A record on its way.
enum Sent {
    Delivery(DeliveryFuture),
    /// It is there.
    Raw(Place),
}

impl Sent {
    fn wait(self) -> Place {
        match self {
            Self::Raw(place) => place,
            Self::Delivery(delivery) => {
                let delivered = RUNTIME.block_on(delivery).unwrap().unwrap();
                Place {
                    partition: u32::try_from(delivered.partition).unwrap(),
                    offset: delivered.offset,
                }
            }
        }
    }
}
