//! On a real Kafka: what befalls it and its topics.

mod outages;
mod topics;
