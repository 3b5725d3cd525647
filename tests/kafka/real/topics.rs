//! The topics are made as configured; what is there is not touched, and what is dangerous about it is said.

use std::time::Duration;

use almoner::kafka::error::KafkaError;
use almoner::kafka::options::KafkaOptions;
use almoner::kafka::topics::dangers::dangers;
use almoner::kafka::topics::found::find;
use almoner::kafka::topics::layout::Layout;
use almoner::kafka::topics::make::{Made, make};

use tokio::time::Instant;

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
    let found = until("all are known", || {
        let found = find(&options, PATIENCE).unwrap();
        (found.len() == 4).then_some(found)
    });
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
    let expected = [
        "it has 6 partitions, and kafka.layout.partitions is 12",
        "message.timestamp.type is CreateTime, and should be LogAppendTime",
        "retention.ms is 60000, and should be 86400000",
    ];
    let after = until("the changes are known", || {
        let after = made(&options, &more);
        let named = |lines: &[String]| {
            expected
                .iter()
                .all(|it| lines.iter().any(|line| line == it))
        };
        let is_it = matches!(&after[0], Made::Differs(lines) if named(lines));
        is_it.then_some(after)
    });
    assert_eq!(after[2..], [Made::AsMeant, Made::AsMeant]);

    let parts = ["CreateTime", "retention.ms is 60000", "it has 6 partitions"];
    until("the dangers are said", || {
        let said = dangers(&find(&options, PATIENCE).unwrap(), &more).join("\n");
        parts.iter().all(|part| said.contains(part)).then_some(())
    });
}

/// A broker learns a moment later of what its controller has made and changed.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
    }
}

#[test]
fn a_broker_without_settings_says_so() {
    let (_mock, options) = mock();
    let error = find(&options, Duration::from_secs(2)).unwrap_err();
    assert_eq!(error, KafkaError::SettingsUnsaid);
}
