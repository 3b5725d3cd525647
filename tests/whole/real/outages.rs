//! The broker is killed under load.

use crate::support::{Broker, PARTITIONS};
use crate::trial::Trial;

#[test]
fn the_broker_is_killed_again_and_again_under_load() {
    let Some(broker) = Broker::real_alone(PARTITIONS) else {
        return;
    };
    let mut trial = Trial::on(broker, &["--latency-ms", "100"]);
    let instance = trial.start();
    for _ in 0..3 {
        trial.crowd.give(100);
        trial.wait_told_some();
        trial.world.broker.goes_away();
        trial.world.broker.comes_back();
        trial.crowd.give(20);
    }
    trial.settle(instance);
}
