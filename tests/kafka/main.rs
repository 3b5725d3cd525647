//! Kafka on librdkafka's mock cluster: a real client against a real listener, whose groups, logs and errors are the mock's.
//! What the mock only pretends (idempotence, transactions, static members, retention) needs a real broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod campaigns;
mod consumer;
mod losses;
mod outcomes;
mod rebalance;
mod support;
#[cfg(feature = "kafka-tls")]
mod tls;
#[cfg(feature = "kafka-tls")]
#[path = "../support/tls.rs"]
mod tls_front;
mod topics;
