//! The reference page and the example file say what is so, and every key is described.

use almoner::config::{Config, Secret, example, page};

use crate::load_with_key;

/// The file in the repository is what the doc comments make.
fn check_file(path: &str, made: &str) {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == made,
        "{path} is out of date: run `cargo run -- config docs --write`"
    );
}

#[test]
fn the_files_are_what_the_doc_comments_make() {
    check_file("docs/configuration.md", &page());
    check_file("config/almoner.toml", &example());
    check_file("docs/metrics.md", &almoner::metrics::page());
}

/// The example with every key set: a comment begins with "# ", a key with "#".
fn example_with_every_key_set() -> String {
    let without_default = ["#api_key", "#client.", "#scylla.password"];
    let has_default = |line: &&str| !without_default.iter().any(|it| line.starts_with(it));
    let set = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    example().lines().filter(has_default).map(set).collect()
}

#[test]
fn the_example_sets_every_key_to_its_default() {
    let loaded = load_with_key(&example_with_every_key_set(), &[])
        .unwrap_or_else(|errors| panic!("{errors}"));
    let mut expected = Config::default();
    expected.gateway.api_key = Secret::from("sk_test");
    assert_eq!(loaded.config, expected);
    let shown = loaded.show();
    let by_default: Vec<&str> = shown
        .lines()
        .filter(|line| line.ends_with("# default") && !line.starts_with("scylla.password"))
        .collect();
    assert!(by_default.is_empty(), "the example lacks {by_default:?}");
}

#[test]
fn the_example_as_it_stands_sets_nothing() {
    let loaded = load_with_key(&example(), &[]).unwrap();
    assert!(!loaded.show().contains("# file"));
}

/// Each key's schema by its full name, in no order.
fn schemas(prefix: &str, schema: &serde_json::Value, all: &mut Vec<(String, serde_json::Value)>) {
    for (name, schema) in schema["properties"].as_object().unwrap() {
        let path = format!("{prefix}{name}");
        all.push((path.clone(), schema.clone()));
        if schema["properties"].is_object() {
            schemas(&format!("{path}."), schema, all);
        }
    }
}

fn all_schemas() -> Vec<(String, serde_json::Value)> {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    let root = settings.into_generator().into_root_schema_for::<Config>();
    let mut all = Vec::new();
    schemas("", root.as_value(), &mut all);
    all
}

#[test]
fn every_key_is_described_with_a_unit() {
    let all = all_schemas();
    assert!(all.len() > 50, "{}", all.len());
    for (path, schema) in all {
        let doc = schema["description"].as_str().unwrap_or_default();
        assert!(doc.len() > 10 && doc.ends_with('.'), "{path}: {doc:?}");
        if schema["type"] == "integer" {
            let unit = [
                ("_ms", "milliseconds"),
                ("_s", "seconds"),
                ("_max", "How many"),
                ("partitions", "How many"),
                ("_factor", "How many"),
                ("_replicas", "How many"),
            ];
            let (_, words) = unit
                .iter()
                .find(|(suffix, _)| path.ends_with(suffix))
                .expect(&path);
            assert!(doc.contains(words), "{path}: no {words:?} in {doc:?}");
            assert!(schema["maximum"].is_u64(), "{path} has no upper bound");
        }
        for choice in schema["oneOf"].as_array().into_iter().flatten() {
            assert!(choice["description"].is_string(), "{path}: {choice}");
        }
    }
}

#[test]
fn the_page_has_every_key_and_its_variable() {
    let page = page();
    for (path, schema) in all_schemas() {
        if schema["properties"].is_object() {
            continue;
        }
        let variable = format!("ALMONER__{}", path.replace('.', "__").to_uppercase());
        assert!(page.contains(&variable), "{variable}");
        let (_, name) = path.split_once('.').unwrap();
        assert!(page.contains(&format!("### `{name}`")), "{name}");
    }
}
