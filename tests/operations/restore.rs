//! An older copy of the data folder is restored, and the gateway's keys of what was done since are dead.

use std::fs;
use std::time::Duration;

use almoner::app::StartFlags;
use almoner::audit::Finding;
use almoner::kafka::positions::Position;
use almoner::store::sqlite::back_up;
use almoner_actors::world::Alarm;
use almoner_domain::donation::State;
use almoner_domain::ids::Shard;
use almoner_domain::request::Request;

use crate::world::{World, confirm, donate, id};

const PLAIN: StartFlags = StartFlags {
    after_restore: false,
    new_log: false,
};
const AFTER_RESTORE: StartFlags = StartFlags {
    after_restore: true,
    new_log: false,
};
const NEW_LOG: StartFlags = StartFlags {
    after_restore: false,
    new_log: true,
};

/// Ten donations, two of which decline; and one that looks like a double and is held.
fn before() -> Vec<Request> {
    let mut requests: Vec<_> = (1..=8).map(|n| donate(n, None, "pm_card_visa")).collect();
    requests.extend((9..=10).map(|n| donate(n, None, "pm_card_chargeDeclined")));
    requests.extend([11, 12].map(|n| donate(n, Some("twice"), "pm_card_visa")));
    requests
}

/// Ten more, two of which decline; and the held one is confirmed.
fn after() -> Vec<Request> {
    let mut requests: Vec<_> = (21..=28).map(|n| donate(n, None, "pm_card_visa")).collect();
    requests.extend((29..=30).map(|n| donate(n, None, "pm_card_chargeDeclined")));
    requests.push(confirm(12, "twice"));
    requests
}

/// A world that has gone on after a copy was made, and has now the copy in place of what it had; a day later.
fn restored() -> World {
    let world = World::new();
    world.publish(&before());
    world.run(PLAIN, 12, 1);
    let copied = world.place("copy");
    back_up(world.store(), &copied).unwrap();
    world.publish(&after());
    world.run(PLAIN, 22, 0);
    assert!(world.audit().is_ok());
    fs::remove_dir_all(world.store()).unwrap();
    fs::rename(&copied, world.store()).unwrap();
    world.gateway_clock.advance(Duration::from_secs(25 * 3_600));
    assert_eq!(world.states().len(), 12);
    world
}

fn charges(world: &World) -> usize {
    let intents = world.gateway.intents();
    let charged = intents
        .iter()
        .filter(|intent| intent.is_unreversed_charge());
    charged.count()
}

#[test]
fn a_restored_copy_learns_what_was_charged_since_and_charges_nothing_twice() {
    let world = restored();
    assert_eq!(charges(&world), 18);
    let alarm = world.alarm(PLAIN);
    assert!(matches!(alarm, Alarm::OlderStore { .. }), "{alarm}");
    assert_eq!(
        charges(&world),
        18,
        "nothing is sent by a start that is refused"
    );

    world.run(AFTER_RESTORE, 22, 0);
    assert_eq!(charges(&world), 18);
    let report = world.audit();
    assert!(report.is_ok(), "{}", report.to_text());
    for (id_found, state) in world.states() {
        let declined = [9, 10, 29, 30].map(id).contains(&id_found);
        let expected = if declined {
            State::Failed
        } else {
            State::Succeeded
        };
        assert_eq!(state, expected, "{id_found}");
    }
    // From then on it is a store like any other.
    world.publish(&[donate(40, None, "pm_card_visa")]);
    world.run(PLAIN, 23, 0);
    assert!(world.audit().is_ok());
}

/// The control: the log is read again without having read the gateway's list.
#[test]
fn a_restored_copy_that_only_reads_the_log_again_charges_twice() {
    let world = restored();
    let store = almoner::store::sqlite::SqliteStore::open(world.store()).unwrap();
    let marks = store.marks().unwrap();
    drop(store);
    let starts: Vec<(Shard, i64)> = marks
        .iter()
        .map(|mark| (mark.shard, mark.next_offset.unwrap_or(0)))
        .collect();
    world.positions().move_to(&starts).unwrap();
    world.run(PLAIN, 22, 0);
    assert!(charges(&world) > 18);
    let report = world.audit();
    let is_double = |finding: &&Finding| matches!(finding, Finding::ChargedTwice { .. });
    assert_eq!(report.findings.kept.iter().filter(is_double).count(), 9);
}

/// Ten donations, published to logs that have dropped their beginning.
fn some_in_cut_logs() -> World {
    let world = World::new();
    world.overflow();
    let some: Vec<_> = (1..=10).map(|n| donate(n, None, "pm_card_visa")).collect();
    world.publish(&some);
    let logs = world.positions().read().unwrap();
    assert!(logs.iter().all(|log| log.low > 0), "{logs:?}");
    world
}

/// It runs on as any other does.
fn check_goes_on(world: &World) {
    world.publish(&[donate(40, None, "pm_card_visa")]);
    world.run(PLAIN, 11, 0);
    assert_eq!(charges(world), 11);
    let report = world.audit();
    assert!(report.is_ok(), "{}", report.to_text());
}

#[test]
fn of_a_store_that_is_gone_all_that_the_cut_logs_still_hold_is_read_again() {
    let world = some_in_cut_logs();
    world.run(PLAIN, 10, 0);
    fs::remove_dir_all(world.store()).unwrap();
    world.gateway_clock.advance(Duration::from_secs(25 * 3_600));
    let alarm = world.alarm(PLAIN);
    assert!(matches!(alarm, Alarm::OlderStore { .. }), "{alarm}");
    world.run(AFTER_RESTORE, 10, 0);
    assert_eq!(charges(&world), 10);
    check_goes_on(&world);
}

#[test]
fn another_log_is_read_from_where_it_begins() {
    let world = some_in_cut_logs();
    let positions = world.positions();
    let beyond = |log: &Position| (log.shard, log.high + 1_000);
    let of_the_old_log: Vec<_> = positions.read().unwrap().iter().map(beyond).collect();
    positions.move_to(&of_the_old_log).unwrap();
    world.run(NEW_LOG, 10, 0);
    check_goes_on(&world);
}
