//! The domain has no I/O, no clock and no chance, and its manifest cannot let them in unnoticed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

/// What the domain may depend on. None of these opens a file or a socket, reads a clock or rolls dice.
const ALLOWED: [&str; 9] = [
    "foldhash",
    "hashbrown",
    "iso_currency",
    "rmp",
    "rmp-serde",
    "serde",
    "smallvec",
    "thiserror",
    "uuid",
];

/// The names in one section of a manifest, sorted.
fn names<'a>(manifest: &'a str, section: &str) -> Vec<&'a str> {
    let mut names: Vec<_> = manifest
        .lines()
        .skip_while(|line| *line != section)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn the_domain_depends_on_nothing_that_could_do_io() {
    let manifest = include_str!("../Cargo.toml");
    assert_eq!(names(manifest, "[dependencies]"), ALLOWED);
    for other in ["[build-dependencies]", "[target.", "[dependencies."] {
        assert!(
            !manifest.contains(other),
            "{other}: put it into [dependencies]"
        );
    }
}

#[test]
fn the_uuids_are_derived_and_never_random() {
    let workspace = include_str!("../../../Cargo.toml");
    let uuid = workspace
        .lines()
        .find(|line| line.starts_with("uuid = "))
        .unwrap();
    assert!(uuid.contains(r#"features = ["v5"]"#), "{uuid}");
}
