//! What of the topics' settings can cost donations.

use super::found::Found;
use super::layout::Layout;

/// What of the topics' state can cost donations: one line each, with what to do.
#[must_use]
pub fn dangers(found: &[Found], layout: &Layout) -> Vec<String> {
    found.iter().flat_map(|it| dangers_of(it, layout)).collect()
}

fn dangers_of(found: &Found, layout: &Layout) -> Vec<String> {
    let topic = &found.topic;
    let mut lines = Vec::new();
    let is_compacted = found
        .setting("cleanup.policy")
        .map(|policy| policy.contains("compact"));
    match (found.role, is_compacted) {
        ("requests" | "outcomes" | "dead_letters", Some(true)) => lines.push(format!(
            "topic {topic}: it is compacted, which drops all of a key but the last: set cleanup.policy=delete"
        )),
        ("campaigns", Some(false)) => lines.push(format!(
            "topic {topic}: it is not compacted, so campaigns are forgotten with its retention: set \
             cleanup.policy=compact"
        )),
        _ => {}
    }
    lines.extend(dangers_of_copies(found));
    if found.role == "requests" {
        lines.extend(dangers_of_requests(found, layout));
    }
    lines
}

fn dangers_of_copies(found: &Found) -> Option<String> {
    let Found {
        topic, replicas, ..
    } = found;
    match found.number("min.insync.replicas")? {
        1 if *replicas > 1 => Some(format!(
            "topic {topic}: min.insync.replicas is 1 with {replicas} copies: what one broker alone has acknowledged is \
             lost with it: set min.insync.replicas=2"
        )),
        least if least > i64::from(*replicas) => Some(format!(
            "topic {topic}: min.insync.replicas is {least} with {replicas} copies: nothing can be written: set at most \
             {replicas}"
        )),
        _ => None,
    }
}

fn dangers_of_requests(found: &Found, layout: &Layout) -> Vec<String> {
    let topic = &found.topic;
    let mut lines = Vec::new();
    let outage_ms = i64::try_from(layout.outage_max.as_millis()).unwrap_or(i64::MAX);
    if let Some(kept_ms) = found
        .number("retention.ms")
        .filter(|kept_ms| (0..outage_ms).contains(kept_ms))
    {
        lines.push(format!(
            "topic {topic}: retention.ms is {kept_ms}, and kafka.layout.outage_s plans for {outage_ms}: a longer \
             outage than the retention loses requests: set retention.ms={outage_ms} or more"
        ));
    }
    if let Some(bytes) = found.number("retention.bytes").filter(|bytes| *bytes >= 0) {
        lines.push(format!(
            "topic {topic}: retention.bytes is {bytes}: requests that come fast are dropped unread, however new: set \
             retention.bytes=-1"
        ));
    }
    if found.setting("message.timestamp.type") == Some("CreateTime") {
        lines.push(format!(
            "topic {topic}: message.timestamp.type is CreateTime: the clocks of whoever publishes do not count, so doubles \
             and ages are judged by when we read: set message.timestamp.type=LogAppendTime"
        ));
    }
    if found.partitions != layout.partitions {
        lines.push(format!(
            "topic {topic}: it has {} partitions, and kafka.layout.partitions is {}: the topic's number counts, since a \
             user's shard follows from it: correct the key, and never add partitions",
            found.partitions, layout.partitions
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::samples::{check, found, layout};
    use super::*;

    #[test]
    fn each_danger_is_one_line_that_says_what_to_do() {
        let dangerous = |role, change, expected: &[&str]| {
            check(&dangers(&[found(role, &[change])], &layout()), expected);
        };
        dangerous(
            "requests",
            ("retention.ms", "299999"),
            &["set retention.ms=300000"],
        );
        dangerous("requests", ("retention.ms", "300000"), &[]);
        dangerous("requests", ("retention.ms", "-1"), &[]);
        dangerous("outcomes", ("retention.ms", "1"), &[]);
        dangerous(
            "requests",
            ("retention.bytes", "1000"),
            &["retention.bytes=-1"],
        );
        dangerous(
            "requests",
            ("message.timestamp.type", "CreateTime"),
            &["set message.timestamp.type=LogAppendTime"],
        );
        dangerous("outcomes", ("message.timestamp.type", "CreateTime"), &[]);
        for role in ["requests", "outcomes", "dead_letters", "campaigns"] {
            let one = ("min.insync.replicas", "1");
            dangerous(role, one, &["set min.insync.replicas=2"]);
            let four = ("min.insync.replicas", "4");
            dangerous(role, four, &["nothing can be written"]);
            check(
                &dangers(&[found(role, &[one, ("replicas", "1")])], &layout()),
                &[],
            );
        }
        dangerous("requests", ("partitions", "9"), &["it has 9 partitions"]);
        dangerous("outcomes", ("partitions", "9"), &[]);
        let compacted = ("cleanup.policy", "compact,delete");
        dangerous("requests", compacted, &["set cleanup.policy=delete"]);
        let deleted = ("cleanup.policy", "delete");
        dangerous("campaigns", deleted, &["set cleanup.policy=compact"]);
    }
}
