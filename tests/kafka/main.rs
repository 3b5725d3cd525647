//! Kafka: a real client against librdkafka's mock cluster (a real listener, whose groups, logs and errors are the mock's)
//! or, where `ALMONER_KAFKA` names one, against a real broker. What the mock only pretends (idempotence, static members,
//! access lists) is in `real`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod campaigns;
mod cluster;
mod consumer;
mod losses;
mod outcomes;
mod real;
#[path = "../support/real_kafka.rs"]
mod real_kafka;
mod rebalance;
mod support;
#[cfg(feature = "kafka-tls")]
mod tls;
#[cfg(feature = "kafka-tls")]
#[path = "../support/tls.rs"]
mod tls_front;
mod topics;
