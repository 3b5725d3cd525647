//! A front end's producer, which can also publish what no front end should.

use std::time::Duration;

use almoner::kafka::options::KafkaOptions;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::RUNTIME;

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
    pub headers: Vec<(&'static str, Vec<u8>)>,
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
        sent.into_iter()
            .map(|delivery| {
                let delivered = RUNTIME.block_on(delivery).unwrap().unwrap();
                Place {
                    partition: u32::try_from(delivered.partition).unwrap(),
                    offset: delivered.offset,
                }
            })
            .collect()
    }

    fn send(&self, topic: &str, post: &Post) -> DeliveryFuture {
        let headers = post.headers.iter();
        let headers = headers.fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        });
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
                Ok(delivery) => return delivery,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    std::thread::sleep(PAUSE);
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
    }
}
