//! What is said at the start of a broker that is not there, or lacks a topic.

use std::time::Duration;

use almoner::kafka::error::KafkaError;
use almoner::kafka::options::KafkaOptions;
use almoner::kafka::{topics, topics::TopicFacts};

use crate::support::{PATIENCE, cluster};

#[test]
fn the_topics_are_found() {
    let (_cluster, options) = cluster();
    assert_eq!(
        topics::check(&options, PATIENCE),
        Ok(TopicFacts {
            request_partitions: 4
        })
    );
}

#[test]
fn a_missing_topic_is_named() {
    let (_cluster, mut options) = cluster();
    options.topics.outcomes = "no.such.topic".to_owned();
    let error = topics::check(&options, PATIENCE).unwrap_err();
    assert_eq!(
        error,
        KafkaError::TopicMissing {
            topic: "no.such.topic".to_owned(),
            role: "outcomes"
        }
    );
}

#[test]
fn a_broker_that_is_not_there_is_named_with_the_reason() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let options = KafkaOptions::new(format!("127.0.0.1:{port}"), "almoner");
    let error = topics::check(&options, Duration::from_millis(1_500)).unwrap_err();
    assert!(error.is_transient());
    assert!(
        matches!(&error, KafkaError::Unreachable { .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains(&port.to_string()) && text.contains("refused"),
        "{text}"
    );
}
