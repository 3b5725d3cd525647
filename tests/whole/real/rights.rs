//! Rights at the broker are taken away while the service runs: it says which, and goes on once they are back.

use std::net::SocketAddr;
use std::time::Duration;

use super::troubles::{wait_for_none, wait_for_trouble};
use crate::real_kafka::kafka_sh;
use crate::support::{Broker, PARTITIONS};
use crate::trial::Trial;

/// Kafka's port for users with a password stands so far from the one for everybody.
const SASL_PORT_OFFSET: u16 = 2;

/// Longer than a session of the group.
const BEYOND_THE_SESSION: Duration = Duration::from_secs(8);

/// A right of ours, as kafka-acls takes it.
struct Right<'a> {
    operation: &'a str,
    kind: &'a str,
    name: &'a str,
}

impl Right<'_> {
    fn grant(&self) {
        self.change(&["--add"]);
    }

    fn take_away(&self) {
        self.change(&["--remove", "--force"]);
    }

    fn change(&self, how: &[&str]) {
        let Self {
            operation,
            kind,
            name,
        } = self;
        let what = ["--allow-principal", "User:almoner", "--operation"];
        kafka_sh(&[&["acl"], how, &what, &[operation, kind, name]].concat());
    }
}

#[test]
fn a_right_that_is_taken_away_is_named_and_given_back_it_goes_on_by_itself() {
    let Some(broker) = Broker::real(PARTITIONS) else {
        return;
    };
    let mut address: SocketAddr = broker.bootstrap_servers().parse().unwrap();
    address.set_port(address.port() + SASL_PORT_OFFSET);
    let (topics, group) = (broker.topics().clone(), broker.group_id().to_owned());
    let right = |operation, kind, name| Right {
        operation,
        kind,
        name,
    };
    let read_requests = right("Read", "--topic", topics.requests.as_str());
    let member = right("Read", "--group", &group);
    let write_outcomes = right("Write", "--topic", &topics.outcomes);
    let write_letters = right("Write", "--topic", &topics.dead_letters);
    let read_campaigns = right("Read", "--topic", &topics.campaigns);
    let rights = [
        (&read_requests, "requests", "Read on the topic"),
        (&member, "requests", "Read on the group"),
        (&write_outcomes, "outcomes", "Write on the topic"),
        (&write_letters, "dead_letters", "Write on the topic"),
        (&read_campaigns, "campaigns", "Read on the topic"),
    ];
    for (right, _, _) in &rights {
        right.grant();
    }
    let mut trial = Trial::on(broker, &[]);
    let mut instance = trial.start_with(&[
        ("ALMONER__KAFKA__BOOTSTRAP_SERVERS", &address.to_string()),
        (
            "ALMONER__KAFKA__CLIENT__SECURITY_PROTOCOL",
            "SASL_PLAINTEXT",
        ),
        ("ALMONER__KAFKA__CLIENT__SASL_MECHANISM", "PLAIN"),
        ("ALMONER__KAFKA__CLIENT__SASL_USERNAME", "almoner"),
        ("ALMONER__KAFKA__CLIENT__SASL_PASSWORD", "right-password"),
    ]);
    trial.crowd.give(20);
    trial.wait_settled();
    wait_for_none(&instance);
    for (right, doing, reason) in &rights {
        right.take_away();
        trial.crowd.give(20);
        trial.crowd.give_garbage();
        wait_for_trouble(&mut instance, doing, reason);
        if doing == &"requests" {
            // The group gives it up meanwhile, and its lease runs out.
            std::thread::sleep(BEYOND_THE_SESSION);
        }
        right.grant();
        trial.wait_settled();
        wait_for_none(&instance);
    }
    trial.settle(instance);
}
