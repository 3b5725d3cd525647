//! The producer: idempotent across the broker's death; what the broker finds too large.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use almoner::kafka::options::KafkaOptions;
use almoner::kafka::outcomes::KafkaOutcomes;
use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::{Letters, Outcomes, PublishError};
use rdkafka::message::Message as _;

use crate::outcomes::{header, letter, message, read, send_letter};
use crate::real_kafka::{alone, alter, kafka_sh};
use crate::support::{PATIENCE, done, real};

/// The client gives a request up after so long, and sends it again.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1_000);

#[test]
fn outcomes_are_in_the_log_once_and_in_order_though_the_broker_froze_and_was_killed_under_them() {
    let Some((in_use, mut options)) = real() else {
        return;
    };
    drop(in_use);
    let _alone = alone();
    // What its own retries do is what is looked at: nobody else tries again.
    set(&mut options, "message.timeout.ms", "300000");
    let timeout_ms = REQUEST_TIMEOUT.as_millis().to_string();
    set(&mut options, "socket.timeout.ms", &timeout_ms);
    let outcomes = start(&options, Arc::new(MemoryStore::new()));
    let mut published = 0;
    let mut publish = |count: usize| -> Vec<_> {
        let numbers = published..published + count;
        published += count;
        let publish_one = |number| {
            let (done, result) = done();
            outcomes.publish(message("one user", number), done);
            result
        };
        numbers.map(publish_one).collect()
    };
    let wait = |results: Vec<Receiver<Result<(), PublishError>>>| {
        for result in results {
            assert_eq!(result.recv_timeout(PATIENCE).unwrap(), Ok(()));
        }
    };
    wait(publish(1));
    // What the frozen broker has got by now it takes when it is thawed, and by then the client has given it up.
    kafka_sh(&["freeze"]);
    let unanswered = publish(1_000);
    std::thread::sleep(3 * REQUEST_TIMEOUT);
    kafka_sh(&["thaw"]);
    wait(unanswered);

    let unanswered = publish(3_000);
    kafka_sh(&["kill"]);
    let more = publish(1_000);
    kafka_sh(&["start"]);
    wait(unanswered);
    wait(more);

    let records = read(&options, &options.topics.outcomes, published);
    let numbers: Vec<_> = records.iter().map(|it| header(it, "event-id")).collect();
    let expected: Vec<_> = (0..published)
        .map(|number| Some(number.to_string()))
        .collect();
    assert!(numbers == expected, "doubled, missing or out of order");
}

#[test]
fn a_letter_that_just_fits_goes_out_whole_and_one_byte_more_is_cut() {
    let Some((_in_use, mut options)) = real() else {
        return;
    };
    let dead_letters = &options.topics.dead_letters;
    alter(&options, dead_letters, &[("max.message.bytes", "100000")]);
    set(&mut options, "compression.type", "none");
    let store = Arc::new(MemoryStore::new());
    let outcomes = start(&options, Arc::clone(&store) as Arc<dyn Letters>);
    let mut sent = 0;
    let mut is_cut = |bytes: usize| {
        sent += 1;
        let sent_letter = letter(sent, u8::try_from(sent).unwrap(), bytes);
        assert_eq!(send_letter(&outcomes, sent_letter.clone()), Ok(()));
        let records = read(
            &options,
            &options.topics.dead_letters,
            usize::try_from(sent).unwrap(),
        );
        let of = |first: u8| {
            let is_of = |value: &[u8]| value[0] == first;
            records.iter().find(|it| it.payload().is_some_and(is_of))
        };
        let record = of(u8::try_from(sent).unwrap()).unwrap();
        let published = record.payload().unwrap().len();
        let is_kept = store
            .letters()
            .iter()
            .any(|it| it.place == sent_letter.place);
        assert_eq!(published < bytes, is_kept);
        is_kept
    };
    let (mut fits, mut is_too_large) = (99_000, 100_000);
    assert!(!is_cut(fits) && is_cut(is_too_large));
    while is_too_large - fits > 1 {
        let middle = usize::midpoint(fits, is_too_large);
        if is_cut(middle) {
            is_too_large = middle;
        } else {
            fits = middle;
        }
    }
    // What the broker counts besides is a batch's head, and the headers.
    assert!((99_500..99_950).contains(&fits), "{fits}");
}

fn start(options: &KafkaOptions, letters: Arc<dyn Letters>) -> KafkaOutcomes {
    KafkaOutcomes::start(options, letters).unwrap()
}

fn set(options: &mut KafkaOptions, key: &str, value: &str) {
    options.client.insert(key.to_owned(), value.to_owned());
}
