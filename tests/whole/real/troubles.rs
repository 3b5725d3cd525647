//! What an instance says of Kafka's troubles.

use serde_json::Value;

use crate::support::{Instance, get, wait_until};

/// What `/readyz` shows.
fn shown(instance: &Instance) -> Vec<Value> {
    let (_, body) = get(instance.admin, "/readyz");
    let report: Value = serde_json::from_str(&body).unwrap();
    let troubles = report["details"]["kafka_troubles"].as_array();
    troubles.cloned().unwrap_or_default()
}

/// Waits until this (or anything) does not work, for this reason, in `/readyz` and in the log.
pub fn wait_for_trouble(instance: &mut Instance, doing: &str, reason: &str) {
    let is_it = |it: &Value| {
        (doing.is_empty() || it["doing"] == doing)
            && it["reason"].as_str().unwrap_or_default().contains(reason)
    };
    wait_until(
        &format!("{doing} to be in trouble: {reason}"),
        || 0,
        || shown(instance).iter().any(is_it).then_some(()),
    );
    let said = instance
        .process
        .wait_line(&format!("{doing} does not work"));
    assert!(said.contains("ERROR"), "{said}");
}

/// Waits until all works.
pub fn wait_for_none(instance: &Instance) {
    wait_until(
        "no trouble",
        || 0,
        || shown(instance).is_empty().then_some(()),
    );
}
