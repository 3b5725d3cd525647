//! Publishing: each record is answered once, whatever the broker says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use almoner::kafka::options::KafkaOptions;
use almoner::kafka::outcomes::{KafkaOutcomes, Letter};
use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::{Forward, KeptLetter, Letters, Outcomes, PublishError};
use almoner_domain::ids::{Place, Shard};
use almoner_domain::outcome::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message as _, OwnedMessage};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::time::Instant;

use crate::support::{PARTITIONS, PATIENCE, cluster, done, mock};

pub fn message(key: &str, number: usize) -> Message {
    Message {
        key: key.into(),
        value: format!("outcome {number}").into_bytes(),
        headers: vec![
            ("event-type", "donation.succeeded".into()),
            ("event-id", number.to_string().into()),
        ],
    }
}

fn publish(outcomes: &KafkaOutcomes, message: Message) -> Result<(), PublishError> {
    let (done, result) = done();
    outcomes.publish(message, done);
    result
        .recv_timeout(PATIENCE)
        .expect("a publication was not answered")
}

fn start(options: &KafkaOptions) -> KafkaOutcomes {
    KafkaOutcomes::start(options, Arc::new(MemoryStore::new())).unwrap()
}

/// All records of a topic, until there are `count`.
pub fn read(options: &KafkaOptions, topic: &str, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.bootstrap_servers)
        .set("group.id", "test")
        .set("fetch.queue.backoff.ms", "10")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut records = Vec::new();
    let mut deadline = Instant::now() + PATIENCE;
    while records.len() < count {
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) {
            records.push(record.detach());
            deadline = Instant::now() + PATIENCE;
        }
        assert!(
            Instant::now() < deadline,
            "{} of {count} records of {topic}",
            records.len()
        );
    }
    records
}

pub fn header(record: &OwnedMessage, name: &str) -> Option<String> {
    let headers = record.headers()?;
    headers
        .iter()
        .find(|header| header.key == name)
        .map(|header| String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned())
}

#[test]
fn outcomes_are_acknowledged_with_their_headers_on_the_partition_of_their_key() {
    let (_cluster, options) = cluster();
    let outcomes = start(&options);
    // Kafka's own test vectors of murmur2: 1173551340 and 1357151166 once positive, modulo 4.
    for (number, (key, partition)) in [("21", 0), ("foobar", 2)].into_iter().enumerate() {
        assert_eq!(publish(&outcomes, message(key, number)), Ok(()));
        let record = read(&options, &options.topics.outcomes, number + 1)
            .into_iter()
            .find(|record| record.key() == Some(key.as_bytes()))
            .unwrap();
        assert_eq!(record.partition(), partition);
        assert_eq!(
            record.payload(),
            Some(format!("outcome {number}").as_bytes())
        );
        assert_eq!(
            header(&record, "event-type").as_deref(),
            Some("donation.succeeded")
        );
        assert_eq!(header(&record, "event-id"), Some(number.to_string()));
    }
}

#[test]
fn a_misplaced_record_goes_to_the_shard_that_it_is_sent_to() {
    let (_cluster, options) = cluster();
    let outcomes = start(&options);
    let forward = Forward {
        to: Shard(3),
        key: Some((*b"21").into()),
        value: None,
        headers: vec![
            (
                "almoner-forwarded".into(),
                Some((*b"donations.requests/0/7").into()),
            ),
            ("bare".into(), None),
        ],
    };
    let (done, result) = done();
    outcomes.forward(forward, done);
    assert_eq!(result.recv_timeout(PATIENCE).unwrap(), Ok(()));
    let record = &read(&options, &options.topics.requests, 1)[0];
    assert_eq!(
        (record.partition(), record.key(), record.payload()),
        (3, Some(&b"21"[..]), None)
    );
    assert_eq!(
        header(record, "almoner-forwarded").as_deref(),
        Some("donations.requests/0/7")
    );
}

#[test]
fn errors_are_retried_or_told_and_the_next_one_goes_out() {
    let (cluster, options) = mock();
    let outcomes = start(&options);
    assert_eq!(publish(&outcomes, message("u", 0)), Ok(()));
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        ],
    );
    assert_eq!(publish(&outcomes, message("u", 1)), Ok(()));
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED],
    );
    assert!(publish(&outcomes, message("u", 2)).is_err());
    // The client may hold the error against the topic for a moment: who publishes tries again.
    let deadline = Instant::now() + PATIENCE;
    while publish(&outcomes, message("u", 2)).is_err() {
        assert!(Instant::now() < deadline, "it never publishes again");
    }
}

#[test]
fn after_a_fatal_error_there_is_a_new_producer() {
    let (cluster, options) = mock();
    let outcomes = start(&options);
    assert_eq!(publish(&outcomes, message("u", 0)), Ok(()));
    // The broker has lost count of us: an idempotent producer gives itself up.
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER],
    );
    let deadline = Instant::now() + PATIENCE;
    let mut failures = 0;
    let mut number = 1;
    let mut in_a_row = 0;
    while in_a_row < 3 {
        assert!(Instant::now() < deadline, "it never publishes again");
        match publish(&outcomes, message("u", number)) {
            Ok(()) => in_a_row += 1,
            Err(_) => {
                failures += 1;
                in_a_row = 0;
            }
        }
        number += 1;
    }
    assert!(failures > 0, "there was no fatal error");
}

#[test]
fn a_full_queue_loses_nothing_and_keeps_the_order() {
    let (_cluster, mut options) = cluster();
    options
        .client
        .insert("queue.buffering.max.messages".to_owned(), "50".to_owned());
    let outcomes = start(&options);
    let mut unanswered = VecDeque::new();
    for number in 0..5_000 {
        let (done, result) = done();
        outcomes.publish(message("one user", number), done);
        unanswered.push_back(result);
        // So many are more than the queue holds, and the next ones come while there is room in it again.
        if unanswered.len() == 80 {
            let result = unanswered.pop_front().unwrap();
            assert_eq!(result.recv_timeout(PATIENCE).unwrap(), Ok(()));
        }
    }
    for result in unanswered {
        assert_eq!(result.recv_timeout(PATIENCE).unwrap(), Ok(()));
    }
    let records = read(&options, &options.topics.outcomes, 5_000);
    let numbers: Vec<_> = records
        .iter()
        .map(|record| header(record, "event-id").unwrap())
        .collect();
    assert_eq!(
        numbers,
        (0..5_000)
            .map(|number: usize| number.to_string())
            .collect::<Vec<_>>()
    );
}

#[test]
fn many_at_once() {
    let (_cluster, options) = cluster();
    let outcomes = start(&options);
    let start = Instant::now();
    let results: Vec<_> = (0..20_000)
        .map(|number| {
            let (done, result) = done();
            outcomes.publish(message(&format!("user-{number}"), number), done);
            result
        })
        .collect();
    for result in results {
        assert_eq!(result.recv_timeout(PATIENCE).unwrap(), Ok(()));
    }
    println!(
        "produced {:.0}/s (dev profile)",
        20_000.0 / start.elapsed().as_secs_f64()
    );
}

/// A letter of so many bytes, read at this offset.
pub fn letter(offset: i64, byte: u8, bytes: usize) -> Letter {
    Letter {
        place: Place {
            topic: "donations.requests".into(),
            partition: 3,
            offset,
        },
        key: Some((*b"user").into()),
        value: Some(vec![byte; bytes]),
        headers: vec![("almoner-attempts".into(), Some((*b"1").into()))],
    }
}

pub fn send_letter(outcomes: &KafkaOutcomes, letter: Letter) -> Result<(), PublishError> {
    let (done, result) = done();
    outcomes.send_letter(letter, done);
    result.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn a_letter_that_is_too_large_is_kept_whole_and_cut_until_it_fits() {
    let (cluster, options) = mock();
    let store = Arc::new(MemoryStore::new());
    let outcomes = KafkaOutcomes::start(&options, Arc::clone(&store) as Arc<dyn Letters>).unwrap();
    let mut count = 0;
    let mut check = |bytes: usize, published: usize| {
        count += 1;
        let byte = u8::try_from(count).unwrap();
        let sent = letter(count, byte, bytes);
        assert_eq!(send_letter(&outcomes, sent.clone()), Ok(()));
        let records = read(&options, &options.topics.dead_letters, usize::from(byte));
        let record = records
            .iter()
            .find(|record| record.payload().is_some_and(|value| value[0] == byte))
            .unwrap();
        assert_eq!(record.payload().map(<[u8]>::len), Some(published));
        assert_eq!(header(record, "almoner-attempts").as_deref(), Some("1"));
        let was_cut = bytes != published;
        let length = header(record, "almoner-cut-length");
        assert_eq!(length, was_cut.then(|| bytes.to_string()));
        let hash = header(record, "almoner-sha256");
        assert_eq!(hash.map(|it| it.len()), was_cut.then_some(64));
        let kept = store.letters();
        let kept: Vec<_> = kept.iter().filter(|it| it.place == sent.place).collect();
        assert_eq!(kept.len(), usize::from(was_cut));
        let whole = |it: &&KeptLetter| {
            it.value.as_deref() == sent.value.as_deref() && it.headers == sent.headers
        };
        assert!(kept.iter().all(whole), "not kept as it came");
    };
    // The client itself refuses it.
    check(3_000_000, 750_000);
    // The broker does.
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    check(1_000, 250);
    // One that fits stays whole.
    check(1_000, 1_000);
}

#[test]
fn a_letter_that_cannot_be_kept_is_not_cut() {
    let (_cluster, options) = cluster();
    let store = Arc::new(MemoryStore::new());
    let outcomes = KafkaOutcomes::start(&options, Arc::clone(&store) as Arc<dyn Letters>).unwrap();
    store.poison(Some("disk"));
    let large = letter(1, 7, 3_000_000);
    let error = send_letter(&outcomes, large.clone()).unwrap_err();
    assert!(error.to_string().contains("disk"), "{error}");
    // Who published does so again, and the store is well by then.
    store.poison(None);
    assert_eq!(send_letter(&outcomes, large), Ok(()));
    assert_eq!(store.letters().len(), 1);
    assert_eq!(read(&options, &options.topics.dead_letters, 1).len(), 1);
}

#[test]
fn without_a_broker_all_are_answered() {
    let (cluster, mut options) = mock();
    drop(cluster);
    options
        .client
        .insert("message.timeout.ms".to_owned(), "1000".to_owned());
    let outcomes = start(&options);
    assert!(publish(&outcomes, message("u", 0)).is_err());
    let (done, result) = done();
    outcomes.publish(message("u", 1), done);
    outcomes.stop(Duration::ZERO);
    assert!(result.recv_timeout(PATIENCE).unwrap().is_err());
    assert!(
        publish(&outcomes, message("u", 2)).is_err(),
        "it has stopped"
    );
}
