//! The broker is killed under load, its disk is full, a topic is deleted, or it speaks TLS: it is said, and once that is
//! mended all goes on by itself.

use std::net::SocketAddr;

use rdkafka::admin::AdminOptions;

use super::troubles::{wait_for_none, wait_for_trouble};
use crate::real_kafka::{self, block_on};
use crate::support::{Broker, PARTITIONS, World, wait_until};
use crate::trial::Trial;

/// Kafka's port for TLS stands so far from the one for everybody.
const TLS_PORT_OFFSET: u16 = 3;

#[test]
fn the_broker_is_killed_again_and_again_under_load() {
    let Some(broker) = Broker::real_alone(PARTITIONS) else {
        return;
    };
    let mut trial = Trial::on(broker, &["--latency-ms", "100"]);
    let mut instance = trial.start();
    for _ in 0..3 {
        trial.crowd.give(100);
        trial.wait_told_some();
        trial.world.broker.goes_away();
        wait_for_trouble(&mut instance, "connect", "does it run");
        trial.world.broker.comes_back();
        trial.crowd.give(20);
        wait_for_none(&instance);
    }
    trial.settle(instance);
}

#[test]
fn a_broker_without_room_on_its_disk_is_waited_for() {
    let Some(broker) = Broker::on_small_disk(PARTITIONS) else {
        return;
    };
    let mut trial = Trial::on(broker, &["--latency-ms", "500"]);
    let mut instance = trial.start();
    trial.crowd.give(200);
    trial.wait_told_some();
    trial.world.broker.fills_its_disk();
    wait_for_trouble(&mut instance, "", "disk");
    trial.world.broker.has_room_again();
    trial.crowd.give(20);
    wait_for_none(&instance);
    trial.settle(instance);
}

#[test]
fn a_topic_that_is_deleted_is_named_and_once_migrate_has_made_it_all_is_told() {
    let Some(broker) = Broker::real(PARTITIONS) else {
        return;
    };
    let mut world = World::on(broker, &[]);
    world.more_kafka = format!("layout.partitions = {PARTITIONS}");
    let outcomes = world.broker.topics().outcomes.clone();
    let mut instance = world.start();
    let admin = real_kafka::admin(&world.broker.bootstrap_servers());
    let deleted = admin.delete_topics(&[&outcomes], &AdminOptions::new());
    block_on(deleted).unwrap().remove(0).unwrap();
    let posts: Vec<_> = (0..10)
        .map(|n| crate::support::donate(n, &format!("user-{n}")))
        .collect();
    world.publisher().publish(&posts);
    wait_for_trouble(
        &mut instance,
        "outcomes",
        "does not exist: make it (almoner migrate)",
    );

    assert!(world.command("migrate").status().unwrap().success());
    let told = || {
        let ends = world.broker.ends_of_answers().into_iter();
        let of_outcomes = ends.filter(|(topic, _, _)| *topic == outcomes);
        of_outcomes.map(|(_, _, end)| end).sum::<i64>()
    };
    wait_until(
        "what was decided to be told",
        || told().cast_unsigned(),
        || (told() >= 10).then_some(()),
    );
    wait_for_none(&instance);
    instance.stop();
    world.assert_audit_agrees();
}

#[test]
fn a_broker_that_speaks_tls_to_a_plain_client_is_said_to() {
    let Some(broker) = Broker::real(PARTITIONS) else {
        return;
    };
    let world = World::on(broker, &[]);
    let mut address: SocketAddr = world.broker.bootstrap_servers().parse().unwrap();
    address.set_port(address.port() + TLS_PORT_OFFSET);
    let mut command = world.command("run");
    let address = address.to_string();
    command.env("ALMONER__KAFKA__BOOTSTRAP_SERVERS", &address);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    let line = said.lines().find(|it| it.contains(&address)).unwrap();
    assert!(
        line.contains("if it speaks TLS, set kafka.client.\"security.protocol\""),
        "{said}"
    );
}
