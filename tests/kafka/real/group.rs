//! The group's static members, and records that are larger than usual.

use almoner::kafka::options::KafkaOptions;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use crate::real_kafka::{alter, own_name};
use crate::support::{Member, PATIENCE, Recorder, assert_run, produce, real};

fn as_instance(options: &KafkaOptions, id: &str) -> KafkaOptions {
    KafkaOptions {
        group_instance_id: Some(id.to_owned()),
        ..options.clone()
    }
}

#[test]
fn a_static_member_that_is_back_within_its_session_has_its_partitions_and_nobody_else_notices() {
    let Some((_in_use, mut options)) = real() else {
        return;
    };
    options.session_timeout_ms = 60_000;
    let (first, second) = (
        as_instance(&options, "first"),
        as_instance(&options, "second"),
    );
    let stays = Member::join(&first, Recorder::new());
    stays.wait_assigned(4);
    let restarts = Member::join(&second, Recorder::new());
    let own = restarts.wait_assigned(2);
    restarts.consumer.stop();
    let (revoked, assigned) = stays
        .intake
        .look(|told| (told.revoked.clone(), told.shards()));

    let back = Member::join(&second, Recorder::new());
    assert_eq!(back.wait_assigned(2), own);
    produce(&options, i32::try_from(own[0]).unwrap(), 10, 20);
    back.intake.wait_taken(10);
    stays.intake.look(|told| {
        assert_eq!((&told.revoked, told.shards()), (&revoked, assigned));
        assert_eq!(told.lost, [0; 0]);
    });
}

#[test]
fn two_of_one_instance_id_are_fatal_to_the_older_one_which_says_why() {
    let Some((_in_use, options)) = real() else {
        return;
    };
    let options = as_instance(&options, &own_name());
    let older = Member::join(&options, Recorder::new());
    older.wait_assigned(4);
    let younger = Member::join(&options, Recorder::new());
    let reason = older.intake.wait("its end", |told| told.fatal.clone());
    assert!(
        reason.contains("kafka.instance_id") && reason.contains("another process"),
        "{reason}"
    );
    younger.wait_assigned(4);
}

#[test]
fn a_record_as_large_as_the_topic_takes_is_read_and_so_is_what_follows() {
    let Some((_in_use, options)) = real() else {
        return;
    };
    const BYTES: usize = 5_000_000;
    alter(
        &options,
        &options.topics.requests,
        &[("max.message.bytes", "8388608")],
    );
    produce(&options, 0, 3, 20);
    let producer: ThreadedProducer<_> = ClientConfig::new()
        .set("bootstrap.servers", &options.bootstrap_servers)
        .set("message.max.bytes", "8000000")
        .create()
        .unwrap();
    let value = vec![b'.'; BYTES];
    let record = BaseRecord::to(&options.topics.requests).partition(0);
    let sent = producer.send(record.key("user").payload(&value));
    sent.map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
    let member = Member::join(&options, Recorder::new());
    member.intake.wait_taken(4);
    let last = |member: &Member| member.intake.look(|told| told.last_values[&0].len());
    assert_eq!(last(&member), BYTES);
    produce(&options, 0, 3, 20);
    member.intake.wait_taken(7);
    member
        .intake
        .look(|told| assert_run(told.taken.get(&0), 0, 7));
}
