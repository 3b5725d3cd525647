//! A log that has dropped what comes next: the partition is stopped and shown, the others go on.

use almoner::kafka::broker::{EmbeddedBroker, LogMeter, MeterError};
use almoner::kafka::options::KafkaOptions;
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::time::Instant;

use crate::real_kafka;
use crate::support::{Member, PATIENCE, Recorder, assert_run, cluster, commit, produce};

/// More than the mock cluster keeps of a partition; of a real one, what it would keep too long is deleted.
fn overflow(options: &KafkaOptions, partition: i32) {
    produce(options, partition, 700, 10_000);
    if real_kafka::address().is_some() {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &options.bootstrap_servers)
            .create()
            .unwrap();
        let topic = &options.topics.requests;
        let (_, high) = client.fetch_watermarks(topic, partition, PATIENCE).unwrap();
        let mut before = TopicPartitionList::new();
        let offset = Offset::Offset(high - 300);
        before
            .add_partition_offset(topic, partition, offset)
            .unwrap();
        let admin = real_kafka::admin(&options.bootstrap_servers);
        let deleted = admin.delete_records(&before, &AdminOptions::new());
        real_kafka::block_on(deleted).unwrap();
    }
}

#[test]
fn what_was_lost_before_the_start_stops_the_partition() {
    let (_cluster, options) = cluster();
    produce(&options, 0, 10, 20);
    produce(&options, 1, 10, 20);
    let first = Member::join(&options, Recorder::new());
    first.intake.wait_taken(20);
    assert_eq!(commit(&*first.source, 0, 5), Ok(()));
    first.consumer.stop();
    overflow(&options, 0);

    let second = Member::join(&options, Recorder::new());
    second.wait_assigned(4);
    second.intake.wait_taken(10);
    let stopped = second.consumer.status().stopped();
    assert_eq!(stopped.len(), 1);
    assert_eq!((stopped[0].shard.0, stopped[0].next_offset), (0, 5));
    assert!(stopped[0].low > 5 && stopped[0].high == 710, "{stopped:?}");
    second.intake.look(|told| {
        assert_eq!(told.assigned[&0].committed, Some(5));
        assert_eq!(told.taken.get(&0), None);
        assert_run(told.taken.get(&1), 0, 10);
    });
    // It stays ours, and is handed over like the others.
    second.consumer.stop();
    second.intake.look(|told| assert_eq!(told.revoked.len(), 4));
}

#[test]
fn what_is_lost_while_we_do_not_read_stops_the_partition() {
    let (_cluster, mut options) = cluster();
    // However late the partitions are paused, far less is fetched ahead than the broker drops.
    options
        .client
        .insert("queued.max.messages.kbytes".to_owned(), "64".to_owned());
    produce(&options, 0, 50, 20);
    let member = Member::join(&options, Recorder::new().with_credit(10));
    member.intake.wait_taken(10);
    overflow(&options, 0);
    overflow(&options, 0);
    member.intake.give_credit(1_000_000);
    let status = member.consumer.status();
    let deadline = Instant::now() + PATIENCE;
    while status.stopped().is_empty() {
        assert!(Instant::now() < deadline, "the loss was not seen");
        std::thread::yield_now();
    }
    let stopped = status.stopped();
    assert_eq!(stopped[0].shard.0, 0);
    assert!(stopped[0].low > stopped[0].next_offset, "{stopped:?}");
    member.intake.look(|told| {
        let taken = &told.taken[&0];
        // All that was polled before was offered, in order; nothing after the gap was.
        assert_run(Some(taken), 0, taken.len());
        assert_eq!(stopped[0].next_offset, i64::try_from(taken.len()).unwrap());
    });
    // The others are still read.
    produce(&options, 1, 5, 20);
    member.intake.wait("the other partition", |told| {
        (told.taken.get(&1).map(Vec::len) == Some(5)).then_some(())
    });
}

#[test]
fn the_meter_says_how_much_is_unread_and_fails_once_some_is_lost() {
    let broker = EmbeddedBroker::start(&[("donations.requests", 2)]).unwrap();
    let options = KafkaOptions::new(broker.bootstrap_servers(), "almoner");
    let meter = LogMeter::new(&options, &options.topics.requests, 2).unwrap();
    produce(&options, 0, 30, 20);
    produce(&options, 1, 10, 20);
    let unread = meter.uncommitted().unwrap();
    assert_eq!((unread.partition_records_max, unread.records), (30, 40));
    let unread = meter.unread(&[(0, 30), (1, 4)]).unwrap();
    assert_eq!((unread.partition_records_max, unread.records), (6, 6));
    overflow(&options, 0);
    match meter.uncommitted() {
        Err(MeterError::Lost {
            partition: 0,
            low,
            read: 0,
            ..
        }) => assert!(low > 0),
        other => panic!("{other:?}"),
    }
}
