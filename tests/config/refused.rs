//! What is said of a configuration that is wrong: where, which key, what, and what to write instead.

use crate::{check_refused, load_text, load_with_key};

/// The key with this line in its section's table is refused with this line, and nothing else is.
fn check(section: &str, line: &str, expected: &str) {
    let loaded = load_with_key(&format!("[{section}]\n{line}\n"), &[]);
    check_refused(loaded, &[&format!("almoner.toml:2: {expected}")]);
}

#[test]
fn a_value_of_the_wrong_kind() {
    check(
        "gateway",
        "timeout_ms = \"30s\"",
        "gateway.timeout_ms: \"30s\" is text; write a whole number of milliseconds from 1000 to 300000",
    );
    check(
        "gateway",
        "timeout_ms = 1.5",
        "gateway.timeout_ms: 1.5 is a fraction; write a whole number of milliseconds from 1000 to 300000",
    );
    check(
        "limits",
        "in_flight_max = 99999999999999999999",
        "limits.in_flight_max: is too large; write a whole number from 2 to 1000000",
    );
    check(
        "gateway",
        "http2_prior_knowledge = 1",
        "gateway.http2_prior_knowledge: 1 is a whole number; write true or false",
    );
    check(
        "kafka",
        "group_id = 7",
        "kafka.group_id: 7 is a whole number; write text in quotes",
    );
    check(
        "kafka",
        "group_id = { a = 1 }",
        "kafka.group_id: the value is a table; write text in quotes",
    );
    check(
        "http",
        "listen = \"localhost:80\"",
        "http.listen: \"localhost:80\" cannot be used; write an IP address and a port, such as \"127.0.0.1:8080\" or \
         \"[::]:8080\", or \"off\"",
    );
    check(
        "kafka",
        "client = 5",
        "kafka.client: is a table of options; write kafka.client.\"linger.ms\" = 5",
    );
    check(
        "kafka",
        "client.\"linger.ms\" = [5]",
        "kafka.client.\"linger.ms\": the value is a list; write text in quotes",
    );
}

#[test]
fn a_value_that_is_no_choice() {
    check(
        "log",
        "format = \"jsn\"",
        "log.format: \"jsn\" is not a choice; did you mean \"json\"?",
    );
    check(
        "kafka",
        "partitioner = \"round_robin\"",
        "kafka.partitioner: \"round_robin\" is not a choice; write \"murmur2_random\" or \"consistent_random\"",
    );
    check(
        "donations",
        "request_types = [\"donate\", \"tip\"]",
        "donations.request_types: \"tip\" is not a choice; write \"donate\", \"confirm\" or \"cancel\"",
    );
}

#[test]
fn what_is_not_built_yet_is_said_to_be_that() {
    check(
        "donations",
        "request_types = [\"donate\", \"refund\"]",
        "donations.request_types: \"refund\" is not in this version; leave it out, and refund in the gateway's dashboard",
    );
}

#[test]
fn a_number_out_of_range_with_the_reason() {
    check(
        "kafka",
        "session_timeout_ms = 5_999",
        "kafka.session_timeout_ms: 5999 is out of range; write a whole number of milliseconds from 6000 to 1800000 \
         (brokers refuse what is outside, unless told otherwise)",
    );
    check(
        "gateway",
        "key_lifetime_s = 14_400",
        "gateway.key_lifetime_s: 14400 is out of range; write a whole number of seconds from 18000 to 2592000 \
         (keys rest for their last 4 hours, and resends need an hour before)",
    );
    check(
        "limits",
        "user_held_max = -1",
        "limits.user_held_max: -1 is out of range; write a whole number from 1 to 100",
    );
    check(
        "store",
        "path = \"\"",
        "store.path: is empty; write text, or leave the key out for the default",
    );
    check(
        "donations",
        "request_types = []",
        "donations.request_types: is empty; write a list, such as [\"donate\", \"confirm\", \"cancel\"]",
    );
}

#[test]
fn a_name_that_is_no_key_with_the_nearest_one() {
    check(
        "kafka",
        "grup_id = \"a\"",
        "kafka.grup_id: unknown key; did you mean kafka.group_id?",
    );
    check(
        "kafka",
        "topics.request = \"a\"",
        "kafka.topics.request: unknown key; did you mean kafka.topics.requests?",
    );
    check(
        "gateway",
        "duplicate_window_s = 60",
        "gateway.duplicate_window_s: unknown key; did you mean donations.duplicate_window_s?",
    );
    check(
        "shutdown",
        "colour = 1",
        "shutdown.colour: unknown key; [shutdown] has drain_timeout_ms",
    );
    check_refused(
        load_with_key("[gatway]\ntimeout_ms = 5\nother = 1", &[]),
        &["almoner.toml:1: gatway: unknown key; did you mean gateway?"],
    );
    check_refused(
        load_with_key("\"kafka.group_id\" = \"a\"", &[]),
        &["almoner.toml:1: kafka.group_id: unknown key; did you mean kafka.group_id?"],
    );
    check_refused(
        load_with_key("log = \"debug\"", &[]),
        &["almoner.toml:1: log: is a table of keys; [log] has level, format"],
    );
}

#[test]
fn a_cluster_that_cannot_be_reached_as_it_is_written() {
    let check = |key: &str, value: &str, expected: &str| {
        let text = format!("[store]\nkind = \"scylla\"\n[store.scylla]\n{key} = {value}\n");
        let expected = format!("almoner.toml:4: store.scylla.{expected}");
        check_refused(load_with_key(&text, &[]), &[&expected]);
    };
    check(
        "contact_points",
        "\"db-1\"",
        "contact_points: \"db-1\" is no node; write host:port, separated by commas",
    );
    check(
        "keyspace",
        "\"Donations\"",
        "keyspace: cannot be a keyspace; write up to 48 of a-z, 0-9 and _, a letter first",
    );
    check(
        "password",
        "\"hush\"",
        "username: is empty, and there is a password; write whose it is",
    );
    check(
        "ca_file",
        "\"ca.pem\"",
        "ca_file: is of no use without TLS; write store.scylla.tls = true",
    );
    if !cfg!(feature = "scylla-tls") {
        check(
            "tls",
            "true",
            "tls: this build cannot do it; build Almoner with `--features scylla-tls`",
        );
    }
}

#[test]
fn values_that_contradict_each_other() {
    check(
        "gateway",
        "connect_timeout_ms = 31_000",
        "gateway.connect_timeout_ms: 31000 is above gateway.timeout_ms = 30000, which it is part of; write at most that",
    );
    check(
        "gateway",
        "connections_max = 100",
        "gateway.in_flight_max: 512 is above gateway.connections_max = 100, and with HTTP/1.1 each call takes a \
         connection; write at most that",
    );
    check(
        "gateway",
        "key_lifetime_s = 90_000",
        "gateway.key_lifetime_s: 90000 is above the 86400 for which Stripe keeps a key; write at most that",
    );
    check(
        "gateway",
        "reconcile_bound_s = 60",
        "gateway.reconcile_bound_s: 60 is below the 86400 in which Stripe may still charge after an unclear answer; \
         write at least that",
    );
    check(
        "donations",
        "confirm_within_s = 3_600\nmax_age_s = 3_600",
        "donations.confirm_within_s: 3600 is not below donations.max_age_s = 3600: a held donation would expire before \
         its user may answer; write less",
    );
    check(
        "donations",
        "pending_max = 100",
        "donations.unknown_max: 10000 is above donations.pending_max = 100: an unknown donation is a pending one; \
         write at most that",
    );
    check(
        "http",
        "listen = \"0.0.0.0:9464\"",
        "http.listen: 0.0.0.0:9464 and admin.listen = \"127.0.0.1:9464\" are the same port; write another one",
    );
    check(
        "kafka",
        "topics.outcomes = \"donations.requests\"",
        "kafka.topics.outcomes: \"donations.requests\" is also kafka.topics.requests; write another topic",
    );
    check(
        "kafka",
        "layout.retention_s = 3_600",
        "kafka.layout.retention_s: 3600 is below kafka.layout.outage_s = 259200: requests would leave the log unread; \
         write at least that",
    );
    check(
        "kafka",
        "layout = { replication_factor = 1, min_insync_replicas = 2 }",
        "kafka.layout.min_insync_replicas: 2 is above kafka.layout.replication_factor = 1: nothing could be written; \
         write at most that",
    );
    check(
        "donations",
        "request_types = [\"confirm\"]",
        "donations.request_types: lacks \"donate\": nothing could be given; add it",
    );
    check(
        "donations",
        "request_types = [\"donate\", \"donate\"]",
        "donations.request_types: names a type twice; name each once",
    );
}

#[test]
fn values_that_no_part_can_use() {
    check(
        "gateway",
        "base_url = \"api.stripe.com\"",
        "gateway.base_url: \"api.stripe.com\" is no address; write http:// or https:// and a host, such as \
         \"https://api.stripe.com\"",
    );
    check(
        "kafka",
        "bootstrap_servers = \"a:9092,b\"",
        "kafka.bootstrap_servers: \"b\" is no broker; write host:port, separated by commas",
    );
    check(
        "kafka",
        "topics.requests = \"a b\"",
        "kafka.topics.requests: \"a b\" cannot be a topic; write at most 249 of a-z, A-Z, 0-9, '.', '_' and '-'",
    );
    check(
        "kafka",
        "client.\"group.id\" = \"a\"",
        "kafka.client.\"group.id\": set kafka.group_id instead",
    );
    check(
        "kafka",
        "client.acks = 1",
        "kafka.client.\"acks\": leave it out: the runtime sets it, so that no donation is lost",
    );
    check(
        "kafka",
        "client.\"linger.mss\" = 5",
        "kafka.client.\"linger.mss\": librdkafka says: No such configuration property: \"linger.mss\"",
    );
}

#[test]
fn the_gateways_key_has_no_default() {
    check_refused(
        load_text("", &[]),
        &[
            "gateway.api_key: is missing; set it here, as gateway.api_key_file, or as ALMONER__GATEWAY__API_KEY",
        ],
    );
}

#[test]
fn all_errors_come_at_once_by_line_then_by_variable() {
    let text = "\
[kafka]
grup_id = \"a\"
session_timeout_ms = \"45s\"
[gateway]
timeout_ms = 3
connect_timeout_ms = 40_000
[log]
level = \"loud\"
";
    let env = [
        ("ALMONER__ADMIN__LISTEN", "9464"),
        ("ALMONER__ADMIN__PORT", "1"),
    ];
    check_refused(
        load_text(text, &env),
        &[
            "almoner.toml:2: kafka.grup_id: unknown key; did you mean kafka.group_id?",
            "almoner.toml:3: kafka.session_timeout_ms: \"45s\" is text; write a whole number of milliseconds from 6000 to \
             1800000",
            "almoner.toml:5: gateway.timeout_ms: 3 is out of range; write a whole number of milliseconds from 1000 to \
             300000 (a gateway needs seconds for some cards, and each call cut short is an unknown outcome)",
            "almoner.toml:8: log.level: \"loud\" is not a choice; write \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
            "ALMONER__ADMIN__LISTEN: admin.listen: \"9464\" cannot be used; write an IP address and a port, such as \
             \"127.0.0.1:8080\" or \"[::]:8080\"",
            "ALMONER__ADMIN__PORT: sets no key; [admin] has listen",
            "gateway.api_key: is missing; set it here, as gateway.api_key_file, or as ALMONER__GATEWAY__API_KEY",
        ],
    );
}

#[test]
fn what_is_not_toml_does_not_hide_the_rest() {
    let text = "\
[gateway]
api_key = sk_live_unquoted
timeout_ms = 30s
connect_timeout_ms = \"2000
send_deadline_s = 0
[kafka]
group_id = \"a\"
group_id = \"b\"
";
    check_refused(
        load_text(text, &[("ALMONER__LOG__LEVL", "info")]),
        &[
            "almoner.toml:2: not TOML: string values must be quoted, expected literal string",
            "almoner.toml:3: not TOML: string values must be quoted, expected literal string",
            "almoner.toml:4: not TOML: invalid basic string, expected `\"`",
            "almoner.toml:5: gateway.send_deadline_s: 0 is out of range; write a whole number of seconds from 1 to 300 \
             (what waits longer must look again whether the donation is still its own)",
            "almoner.toml:8: not TOML: duplicate key",
            "ALMONER__LOG__LEVL: sets no key; did you mean ALMONER__LOG__LEVEL?",
        ],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let sources = almoner::config::Sources {
        file: Some("no/such.toml".into()),
        env: Vec::new(),
    };
    check_refused(
        almoner::config::load(&sources),
        &[
            "no/such.toml: the configuration file cannot be read: No such file or directory (os error 2)",
        ],
    );
}
