//! Defaults, the file over them, the environment over that; each value knows where it came from.

use std::path::PathBuf;

use almoner::config::{
    Config, Level, Listen, Origin, Partitioner, RequestType, Secret, StoreKind, UnknownCampaigns,
};

use crate::{check_refused, load_text, load_with_key};

/// This variable alone changes the defaults to this.
fn check(name: &str, value: &str, change: impl FnOnce(&mut Config)) {
    let mut expected = Config::default();
    expected.gateway.api_key = Secret::from("sk_test");
    change(&mut expected);
    let loaded = load_with_key("", &[(name, value)])
        .unwrap_or_else(|errors| panic!("{name}={value}: {errors}"));
    assert_eq!(loaded.config, expected, "{name}={value}");
}

#[test]
fn a_variable_sets_a_key_of_each_type() {
    check("ALMONER__GATEWAY__TIMEOUT_MS", "5_000", |c| {
        c.gateway.timeout_ms = 5_000
    });
    check("ALMONER__GATEWAY__HTTP2_PRIOR_KNOWLEDGE", "true", |c| {
        c.gateway.http2_prior_knowledge = true
    });
    check("ALMONER__KAFKA__GROUP_ID", "42", |c| {
        c.kafka.group_id = "42".to_owned()
    });
    check("ALMONER__KAFKA__GROUP_ID", "\"quoted\"", |c| {
        c.kafka.group_id = "quoted".to_owned()
    });
    check("ALMONER__KAFKA__TOPICS__DEAD_LETTERS", "dlq", |c| {
        c.kafka.topics.dead_letters = "dlq".to_owned()
    });
    check("ALMONER__KAFKA__INSTANCE_ID", "pod-0", |c| {
        c.kafka.instance_id = Some("pod-0".to_owned())
    });
    check("ALMONER__KAFKA__INSTANCE_ID", "", |c| {
        c.kafka.instance_id = None
    });
    check("ALMONER__KAFKA__PARTITIONER", "consistent_random", |c| {
        c.kafka.partitioner = Partitioner::ConsistentRandom;
    });
    check("ALMONER__KAFKA__CLIENT__LINGER_MS", "7", |c| {
        c.kafka.client.set("linger.ms", "7")
    });
    check(
        "ALMONER__KAFKA__CLIENT__SOCKET_KEEPALIVE_ENABLE",
        "true",
        |c| {
            c.kafka.client.set("socket.keepalive.enable", "true");
        },
    );
    check("ALMONER__STORE__KIND", "sqlite", |c| {
        c.store.kind = StoreKind::Sqlite
    });
    check("ALMONER__STORE__PATH", "/var/lib/almoner", |c| {
        c.store.path = PathBuf::from("/var/lib/almoner")
    });
    check("ALMONER__HTTP__LISTEN", "off", |c| {
        c.http.listen = Listen::Off
    });
    check("ALMONER__HTTP__LISTEN", "[::1]:0", |c| {
        c.http.listen = Listen::At("[::1]:0".parse().unwrap())
    });
    check("ALMONER__ADMIN__LISTEN", "0.0.0.0:9000", |c| {
        c.admin.listen = "0.0.0.0:9000".parse().unwrap()
    });
    check("ALMONER__DONATIONS__REQUEST_TYPES", "[\"donate\"]", |c| {
        c.donations.request_types = vec![RequestType::Donate];
    });
    check("ALMONER__DONATIONS__UNKNOWN_CAMPAIGNS", "accept", |c| {
        c.donations.unknown_campaigns = UnknownCampaigns::Accept;
    });
    check("ALMONER__LOG__LEVEL", "debug", |c| {
        c.log.level = Level::Debug
    });
    check("ALMONERS_OWN", "passed over", |_| {});
}

#[test]
fn a_variable_that_is_wrong_is_named() {
    let env = [
        ("ALMONER__DONATIONS__REQUEST_TYPES", "donate,confirm"),
        ("ALMONER__GATEWAY__TIMEOUT_MS", "soon"),
        ("ALMONER__GATWAY__TIMEOUT_MS", "5000"),
        ("ALMONER__KAFKA", "x"),
        ("ALMONER__KAFKA__CLIENT__GROUP_ID", "x"),
    ];
    check_refused(
        load_with_key("", &env),
        &[
            "ALMONER__DONATIONS__REQUEST_TYPES: donations.request_types: \"donate,confirm\" is text; write a list, such \
             as [\"donate\", \"confirm\", \"cancel\"]",
            "ALMONER__GATEWAY__TIMEOUT_MS: gateway.timeout_ms: \"soon\" is text; write a whole number of milliseconds \
             from 1000 to 300000",
            "ALMONER__GATWAY__TIMEOUT_MS: sets no key; did you mean ALMONER__GATEWAY__TIMEOUT_MS?",
            "ALMONER__KAFKA: is a table of keys; [kafka] has bootstrap_servers, group_id, instance_id, partitioner, \
             session_timeout_ms, topics.requests, topics.outcomes, topics.dead_letters, topics.campaigns, layout.partitions, \
             layout.replication_factor, layout.min_insync_replicas, layout.retention_s, layout.dead_letters_retention_s, \
             layout.outage_s, client",
            "ALMONER__KAFKA__CLIENT__GROUP_ID: kafka.client.\"group.id\": set kafka.group_id instead",
        ],
    );
}

#[test]
fn the_environment_wins_over_the_file_and_each_value_knows_its_source() {
    let text = "[gateway]\napi_key = \"sk_file\"\ntimeout_ms = 5000\nconnect_timeout_ms = 500\n";
    let loaded = load_text(text, &[("ALMONER__GATEWAY__TIMEOUT_MS", "6000")]).unwrap();
    assert_eq!(loaded.config.gateway.timeout_ms, 6_000);
    assert_eq!(loaded.config.gateway.connect_timeout_ms, 500);
    let env = Origin::Env {
        name: "ALMONER__GATEWAY__TIMEOUT_MS".to_owned(),
    };
    assert_eq!(loaded.origin("gateway.timeout_ms"), &env);
    assert!(matches!(
        loaded.origin("gateway.connect_timeout_ms"),
        Origin::File { line: 4, .. }
    ));
    assert_eq!(loaded.origin("gateway.in_flight_max"), &Origin::Default);
}

#[test]
fn options_of_the_client_are_the_same_in_every_spelling() {
    for text in [
        "[kafka]\nclient.\"linger.ms\" = 7",
        "[kafka.client]\n\"linger.ms\" = \"7\"",
        "[kafka.client]\nlinger.ms = 7",
        "kafka = { client = { linger.ms = 7 } }",
    ] {
        let loaded = load_with_key(text, &[]).unwrap();
        assert!(
            loaded.config.kafka.client.expose().eq([("linger.ms", "7")]),
            "{text}"
        );
        assert!(
            matches!(loaded.origin("kafka.client.linger.ms"), Origin::File { .. }),
            "{text}"
        );
    }
}

#[test]
fn what_is_shown_is_toml_with_each_source_and_comes_to_the_same() {
    let text = "[kafka]\nclient.\"linger.ms\" = 7\n[store]\npath = \"books\"\n";
    let loaded = load_with_key(text, &[("ALMONER__LOG__FORMAT", "json")]).unwrap();
    let shown = loaded.show();
    for line in [
        "group_id = \"almoner\"  # default",
        "format = \"json\"  # env ALMONER__LOG__FORMAT",
        "api_key = \"[redacted]\"  # env ALMONER__GATEWAY__API_KEY",
        "topics.campaigns = \"donations.campaigns\"  # default",
    ] {
        assert!(
            shown.lines().any(|shown| shown == line),
            "no {line} in:\n{shown}"
        );
    }
    let from_file = |line: &str| {
        line.starts_with("client.\"linger.ms\" = \"7\"  # file ") && line.ends_with(":2")
    };
    assert!(shown.lines().any(from_file), "{shown}");
    let mut again: Config = toml::from_str(&shown).unwrap();
    again.gateway.api_key = loaded.config.gateway.api_key.clone();
    assert_eq!(again, loaded.config);
}
