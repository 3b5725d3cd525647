//! The log has dropped what was to be read next: the partition stands still until an operator accepts the loss.

use std::fs;
use std::process::Command;

use almoner::app::StartFlags;
use almoner::simulator;
use almoner_actors::world::Alarm;

use crate::world::{World, donate};

/// What `almoner offsets accept-loss` said, and its exit code. Its session is longer than a wait of ours: it must leave the
/// group at once.
fn accept_loss(world: &World, more: &[&str]) -> (String, i32) {
    let (key, file) = (world.place("key"), world.place("almoner.toml"));
    fs::write(&key, simulator::Options::default().api_key).unwrap();
    let config = format!(
        "[kafka]\nbootstrap_servers = {:?}\nsession_timeout_ms = 120000\n[gateway]\nbase_url = {:?}\napi_key_file = {key:?}\n[store]\npath = {:?}\n",
        world.config.kafka.bootstrap_servers,
        world.config.gateway.base_url,
        world.store(),
    );
    fs::write(&file, config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_almoner"))
        .args(["offsets", "accept-loss", "--config"])
        .arg(&file)
        .args(more)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        String::from_utf8(said).unwrap(),
        output.status.code().unwrap(),
    )
}

#[test]
fn a_partition_goes_on_once_its_loss_is_accepted() {
    let plain = StartFlags::default();
    let world = World::new();
    let some = |from: u32| (from..from + 10).map(|n| donate(n, None, "pm_card_visa"));
    world.publish(&some(1).collect::<Vec<_>>());
    world.run(plain, 10, 0);
    assert_eq!(
        accept_loss(&world, &[]),
        (
            "nothing is lost: every partition can be read on\n".to_owned(),
            0
        )
    );

    world.overflow();
    let alarm = world.alarm(plain);
    assert!(matches!(alarm, Alarm::RequestsLost { .. }), "{alarm}");
    let (said, code) = accept_loss(&world, &["--partition", "2"]);
    assert!(
        code == 2 && said.contains("partition 2 does not exist"),
        "{said}"
    );
    let (said, code) = accept_loss(&world, &["--partition", "1"]);
    assert_eq!((said.lines().count(), code), (1, 0), "{said}");
    assert!(said.starts_with("partition 1: the loss of "), "{said}");
    let alarm = world.alarm(plain);
    let Alarm::RequestsLost { shard, .. } = alarm else {
        panic!("{alarm}");
    };
    assert_eq!(shard.0, 0, "the other one still stands");
    let (said, code) = accept_loss(&world, &[]);
    assert!(
        code == 0 && said.starts_with("partition 0: the loss of "),
        "{said}"
    );

    world.publish(&some(21).collect::<Vec<_>>());
    world.run(plain, 20, 0);
    assert!(world.audit().is_ok());
    assert_eq!(
        accept_loss(&world, &[]).0,
        "nothing is lost: every partition can be read on\n"
    );
}

#[test]
fn a_running_instance_keeps_its_offsets() {
    let world = World::new();
    let app = world.start(StartFlags::default());
    let (said, code) = accept_loss(&world, &[]);
    assert!(code == 2 && said.contains("is in use by"), "{said}");
    app.stop();
}
