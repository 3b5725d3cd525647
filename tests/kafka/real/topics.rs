//! The topics are made as configured; what is there is not touched, and what is dangerous about it is said.

use std::time::Duration;

use almoner::kafka::error::KafkaError;
use almoner::kafka::options::KafkaOptions;
use almoner::kafka::topics::layout::{Layout, dangers, find};
use almoner::kafka::topics::make::{Made, make};

use crate::real_kafka::{self, alter};
use crate::support::{PATIENCE, mock};

fn layout() -> Layout {
    Layout {
        partitions: 6,
        replication_factor: Some(1),
        min_insync_replicas: Some(1),
        retention: Duration::from_secs(86_400),
        dead_letters_retention: Duration::from_secs(172_800),
        outage_max: Duration::from_secs(3_600),
    }
}

/// Options whose topics nobody has made.
fn without_topics() -> Option<KafkaOptions> {
    real_kafka::address_or_say().map(|address| real_kafka::own_options(&address))
}

fn made(options: &KafkaOptions, layout: &Layout) -> Vec<Made> {
    let made = make(options, layout, PATIENCE).unwrap();
    made.into_iter().map(|(_, made)| made).collect()
}

#[test]
fn topics_are_made_once_as_configured() {
    let _in_use = real_kafka::in_use();
    let Some(options) = without_topics() else {
        return;
    };
    let new = |partitions| Made::New { partitions };
    assert_eq!(made(&options, &layout()), [new(6), new(6), new(4), new(4)]);
    assert_eq!(made(&options, &layout()), [const { Made::AsMeant }; 4]);
    let found = find(&options, PATIENCE).unwrap();
    assert_eq!(dangers(&found, &layout()), [""; 0]);
    let of = |role: &str, setting: &str| {
        let topic = found.iter().find(|it| it.role == role).unwrap();
        topic.settings[setting].clone()
    };
    assert_eq!(of("requests", "message.timestamp.type"), "LogAppendTime");
    assert_eq!(of("requests", "retention.ms"), "86400000");
    assert_eq!(of("dead_letters", "retention.ms"), "172800000");
    assert_eq!(of("campaigns", "cleanup.policy"), "compact");
}

#[test]
fn two_at_once_make_each_topic_once() {
    let _in_use = real_kafka::in_use();
    let Some(options) = without_topics() else {
        return;
    };
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| made(&options, &layout())))
            .collect();
        for maker in makers {
            maker.join().unwrap();
        }
    });
    assert_eq!(made(&options, &layout()), [const { Made::AsMeant }; 4]);
}

#[test]
fn what_is_otherwise_stays_and_is_named_and_what_is_dangerous_is_said() {
    let _in_use = real_kafka::in_use();
    let Some(options) = without_topics() else {
        return;
    };
    made(&options, &layout());
    let requests = &options.topics.requests;
    let changes = [
        ("message.timestamp.type", "CreateTime"),
        ("retention.ms", "60000"),
    ];
    alter(&options, requests, &changes);
    let more = Layout {
        partitions: 12,
        ..layout()
    };
    let after = made(&options, &more);
    let Made::Differs(differences) = &after[0] else {
        panic!("{after:?}");
    };
    let expected = [
        "it has 6 partitions, and kafka.layout.partitions is 12",
        "message.timestamp.type is CreateTime, and should be LogAppendTime",
        "retention.ms is 60000, and should be 86400000",
    ];
    assert!(
        expected
            .iter()
            .all(|it| differences.contains(&(*it).to_owned())),
        "{differences:#?}"
    );
    assert_eq!(after[2..], [Made::AsMeant, Made::AsMeant]);

    let said = dangers(&find(&options, PATIENCE).unwrap(), &more).join("\n");
    for part in ["CreateTime", "retention.ms is 60000", "it has 6 partitions"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_broker_without_settings_says_so() {
    let (_mock, options) = mock();
    let error = find(&options, Duration::from_secs(2)).unwrap_err();
    assert_eq!(error, KafkaError::SettingsUnsaid);
}
