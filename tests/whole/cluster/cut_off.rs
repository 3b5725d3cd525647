//! An instance that is cut off, from Kafka, the store or the gateway, while the others are not: it says so, it starts no
//! charge in what is not its own any more, and once it is mended all goes on by itself.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::members::{Cluster, Member};
use crate::support::{Proxy, get, wait_until};

/// So many requests are unanswered at a time.
const OPEN_MAX: u64 = 150;
/// As the instances are configured.
const SESSION_MS: i64 = 6_000;
/// Longer than a session, so that the group has given up who is not heard of.
const CUT_FOR: Duration = Duration::from_secs(10);
/// Kafka's listener for who goes through a proxy stands so far from the one for everybody; the next port is the proxy's.
const PROXIED_PORT_OFFSET: u16 = 4;

#[test]
fn cut_off_from_kafka_it_charges_nothing_beyond_its_lease() {
    let Some(mut cluster) = Cluster::new(&["--latency-ms", "40"], &[]) else {
        return;
    };
    let mut kafka: SocketAddr = cluster
        .trial
        .world
        .broker
        .bootstrap_servers()
        .parse()
        .unwrap();
    kafka.set_port(kafka.port() + PROXIED_PORT_OFFSET);
    let way = Proxy::calm_on(kafka.port() + 1, kafka);
    let through = way.addr().to_string();
    let cut = cut_off(
        &mut cluster,
        &[("ALMONER__KAFKA__BOOTSTRAP_SERVERS", &through)],
        &way,
        |report| {
            report["details"]["kafka_troubles"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        },
    );
    // A lease lasts for a session after the last commit that was acknowledged.
    let network = &cluster.members[1].network;
    let disowned = cut.began_ms + SESSION_MS..cut.ended_ms;
    let sent: Vec<_> = network
        .posted_at_ms()
        .into_iter()
        .filter(|it| disowned.contains(it))
        .collect();
    assert!(
        sent.is_empty(),
        "I12: sent at {sent:?}, cut off {disowned:?}"
    );
    settle(&mut cluster);
}

#[test]
fn cut_off_from_the_store_it_says_so_and_goes_on_by_itself() {
    let Some(mut cluster) = Cluster::new(&["--latency-ms", "40"], &[]) else {
        return;
    };
    let way = Proxy::calm(cluster.trial.world.keyspace.as_ref().unwrap().server);
    let through = way.addr().to_string();
    let env = [
        ("ALMONER__STORE__SCYLLA__CONTACT_POINTS", through.as_str()),
        ("ALMONER__STORE__SCYLLA__REQUEST_TIMEOUT_MS", "2000"),
    ];
    cut_off(&mut cluster, &env, &way, |report| {
        !is_met(report, "store_usable")
    });
    settle(&mut cluster);
}

#[test]
fn cut_off_from_the_gateway_it_says_so_and_goes_on_by_itself() {
    let Some(mut cluster) = Cluster::new(&["--latency-ms", "40"], &[]) else {
        return;
    };
    let way = Proxy::calm(cluster.trial.world.gateway.addr());
    let url = way.url();
    cut_off(
        &mut cluster,
        &[("ALMONER__GATEWAY__BASE_URL", &url)],
        &way,
        |report| report["details"]["gateway_usable"] == false,
    );
    settle(&mut cluster);
}

/// Wall clock, milliseconds since 1970.
struct Cut {
    began_ms: i64,
    ended_ms: i64,
}

/// One of two instances, with this configuration, is cut off this way for longer than a session; it says so in
/// `/readyz`, and says that it works again.
fn cut_off(
    cluster: &mut Cluster,
    env: &[(&'static str, &str)],
    way: &Proxy,
    is_said: impl Fn(&Value) -> bool,
) -> Cut {
    cluster.join(0);
    cluster.join_with(env, 0);
    cluster.give_until_it_owns(1, OPEN_MAX);
    cluster.give(200, OPEN_MAX);
    way.cut();
    let began_ms = Timestamp::now().as_millisecond();
    let until = tokio::time::Instant::now() + CUT_FOR;
    // What it does not answer may fill the room: nobody waits for that.
    while tokio::time::Instant::now() < until {
        cluster.give_some(OPEN_MAX);
    }
    wait_readiness("to say that it is cut off", &cluster.members[1], &is_said);
    let ended_ms = Timestamp::now().as_millisecond();
    way.mend();
    wait_readiness("to work again", &cluster.members[1], |report| {
        !is_said(report) && report["status"] == "ok"
    });
    cluster.give(200, OPEN_MAX);
    Cut { began_ms, ended_ms }
}

fn settle(cluster: &mut Cluster) {
    cluster.trial.wait_settled();
    cluster.stop_all();
    cluster.trial.assert_kept_at_rest();
}

fn wait_readiness(what: &str, member: &Member, is_it: impl Fn(&Value) -> bool) {
    wait_until(
        &format!("{} {what}", member.id),
        || member.instance.process.said_lines(),
        || {
            let (_, body) = get(member.instance.admin, "/readyz");
            let report: Value = serde_json::from_str(&body).unwrap();
            is_it(&report).then_some(())
        },
    );
}

fn is_met(report: &Value, name: &str) -> bool {
    let checks = report["checks"].as_array().unwrap();
    checks
        .iter()
        .any(|check| check["name"] == name && check["ok"] == true)
}
