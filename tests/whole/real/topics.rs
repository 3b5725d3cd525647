//! The topics: made by `almoner migrate`, looked at by each start.

use crate::real_kafka;
use crate::support::{Broker, PARTITIONS, World};

#[test]
fn migrate_makes_what_is_missing_says_what_differs_and_a_start_says_what_is_dangerous() {
    let Some(broker) = Broker::real(PARTITIONS) else {
        return;
    };
    let mut world = World::on(broker, &[]);
    let missing = format!("{}.outcomes", real_kafka::own_name());
    world.more_kafka =
        "layout.replication_factor = 1\nlayout.outage_s = 604_800\nlayout.partitions = 6"
            .to_owned();
    let migrate = || {
        let mut command = world.command("migrate");
        command.env("ALMONER__KAFKA__TOPICS__OUTCOMES", &missing);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        said
    };
    let (first, again) = (migrate(), migrate());
    let topics = world.broker.topics();
    let check = |said: &str, line: &str| {
        assert!(
            said.lines().any(|it| it == line),
            "{line:?} not in:\n{said}"
        );
    };
    check(&first, &format!("topic {missing}: made, with 6 partitions"));
    check(&again, &format!("topic {missing}: is there, as configured"));
    let otherwise = format!("topic {}: is there, and stays otherwise:", topics.requests);
    for said in [&first, &again] {
        check(
            said,
            &format!(
                "{otherwise} it has {PARTITIONS} partitions, and kafka.layout.partitions is 6"
            ),
        );
    }
    // As the topics come from the broker's defaults, but for the retention.
    real_kafka::alter(
        &world.broker.options(),
        &topics.requests,
        &[("retention.ms", "60000")],
    );
    let mut instance = world.start();
    for part in [
        format!("topic {}: retention.ms is 60000", topics.requests),
        format!(
            "topic {}: message.timestamp.type is CreateTime",
            topics.requests
        ),
        format!("topic {}: it has {PARTITIONS} partitions", topics.requests),
        format!("topic {}: it is not compacted", topics.campaigns),
    ] {
        let line = instance.process.wait_line(&part);
        assert!(line.contains("WARN"), "{line}");
    }
    instance.stop();
}
