//! A record that nobody can read and that is larger than the broker takes with our headers: it is kept whole.

use std::process::Output;

use crate::support::{ANYWHERE, Surroundings, gateway, wait_for};

const PLACE_END: &str = "3000000 bytes  almoner.undecodable";

fn dlq(surroundings: &Surroundings, args: &[&str]) -> Output {
    let args: Vec<_> = ["dlq"].iter().chain(args).copied().collect();
    surroundings.command(&args).output().unwrap()
}

#[test]
fn what_is_too_large_for_the_dead_letters_is_shown_by_the_store() {
    let (surroundings, gateway) = (Surroundings::new(), gateway(ANYWHERE));
    let instance = surroundings.run(gateway.addr(), &[]);
    let large = vec![0xc1; 3_000_000];
    surroundings.publish("user", std::slice::from_ref(&large));
    let list = || String::from_utf8(dlq(&surroundings, &["list"]).stdout).unwrap();
    wait_for("the letter", || list().contains(PLACE_END));
    let line = list();
    let (place, _) = line.split_once("  ").unwrap();
    assert_eq!(dlq(&surroundings, &["show", place, "--raw"]).stdout, large);
    let shown = String::from_utf8(dlq(&surroundings, &["show", place]).stdout).unwrap();
    assert!(shown.contains("key: user\n"), "{shown:.300}");
    let missing = dlq(&surroundings, &["show", "donations.requests/0/99"]);
    assert_eq!(missing.status.code(), Some(1));
    wait_for("the cut one, acknowledged", || {
        let text = instance.get("/metrics").1;
        text.contains("almoner_kafka_published_total{kind=\"dead_letter\"} 1")
    });
}
