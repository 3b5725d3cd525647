//! On a real Kafka: what befalls it and its topics.

mod outages;
mod rights;
mod topics;
mod troubles;
