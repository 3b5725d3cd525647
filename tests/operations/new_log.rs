//! The requests topic was made anew: what the store knows of the old log's offsets says nothing of this one.

use almoner::app::{StartFlags, kafka_options};
use almoner::kafka::positions::{Position, Positions};
use almoner_actors::world::Alarm;
use almoner_domain::ids::Shard;
use almoner_domain::request::Request;
use rusqlite::Connection;

use crate::world::{PARTITIONS, World, donate};

const PLAIN: StartFlags = StartFlags {
    after_restore: false,
    new_log: false,
};
const NEW_LOG: StartFlags = StartFlags {
    new_log: true,
    ..PLAIN
};
/// Where the group stood in the old log, if the broker still says so of the new one.
const OLD: i64 = 1_000_000;

fn gifts(numbers: std::ops::RangeInclusive<u32>) -> Vec<Request> {
    numbers.map(|n| donate(n, None, "pm_card_visa")).collect()
}

fn positions(world: &World) -> Positions {
    Positions::new(&kafka_options(&world.config), PARTITIONS.into()).unwrap()
}

fn log_generation(world: &World) -> u32 {
    let store = Connection::open(world.store().join("almoner.sqlite")).unwrap();
    let query = "SELECT log_generation FROM store";
    store.query_row(query, [], |row| row.get(0)).unwrap()
}

fn charges(world: &World) -> usize {
    let intents = world.gateway.intents();
    let charged = intents.iter().filter(|it| it.is_unreversed_charge());
    charged.count()
}

fn check(group_is_known: bool, prepare: impl Fn(&World)) {
    let mut world = World::new();
    world.publish(&gifts(1..=20));
    world.run(PLAIN, 20, 0);
    assert_eq!((log_generation(&world), charges(&world)), (1, 20));

    world.make_topics_anew();
    prepare(&world);
    world.publish(&gifts(19..=24)); // two were given before, and their front end repeats them
    if group_is_known {
        let old: Vec<_> = (0..PARTITIONS).map(|it| (Shard(it.into()), OLD)).collect();
        positions(&world).move_to(&old).unwrap();
    }
    let alarm = world.alarm(PLAIN);
    assert!(matches!(alarm, Alarm::AnotherLog { .. }), "{alarm}");
    assert!(
        alarm.to_string().contains("start with --new-log"),
        "{alarm}"
    );
    assert_eq!((log_generation(&world), charges(&world)), (1, 20));

    world.run(NEW_LOG, 24, 0);
    assert_eq!((log_generation(&world), charges(&world)), (2, 24));
    let read_whole = |it: &Position| it.committed == Some(it.high);
    let positions = positions(&world).read().unwrap();
    assert!(positions.iter().all(read_whole), "{positions:?}");

    // With the flag still there, and without it: it is the log that the store knows.
    for (flags, n) in [(NEW_LOG, 25), (PLAIN, 26)] {
        world.publish(&gifts(n..=n));
        world.run(flags, n as usize, 0);
        assert_eq!((log_generation(&world), charges(&world)), (2, n as usize));
    }
    let report = world.audit();
    assert!(report.is_ok(), "{}", report.to_text());
}

#[test]
fn a_log_made_anew_is_refused_and_read_whole_once_an_operator_says_so() {
    check(false, |_| {});
}

#[test]
fn so_it_is_where_the_group_has_committed_more_than_it_holds() {
    check(true, |_| {});
}

#[test]
fn so_it_is_where_its_beginning_is_gone_already() {
    check(true, World::overflow);
}
