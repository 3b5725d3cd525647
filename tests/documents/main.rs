//! What the documents say is so: the files and tests that they name exist, and the tables miss nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use almoner_domain::dead_letter;
use almoner_domain::donation::PendingKind;
use almoner_domain::outcome::{Reason, RejectionReason};

/// The documents that people write; `docs/configuration.md` is made, and has a test of its own.
const DOCUMENTS: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "docs/CHARGES.md",
    "docs/cluster.md",
    "docs/messages.md",
    "docs/performance.md",
];

/// Where the sources are: a path in backticks that begins so is one of the repository's.
const FOLDERS: [&str; 8] = [
    "src/",
    "actors/",
    "loadtest/",
    "tests/",
    "benches/",
    "examples/",
    "docs/",
    "config/",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).expect(document)
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The targets of relative links, without what follows a `#`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let relative = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    relative.filter_map(|target| target.split('#').next())
}

/// The paths in `document` that lead nowhere.
fn lost_paths(document: &str, text: &str) -> Vec<String> {
    let folder = Path::new(document).parent().unwrap();
    let linked = links(text).map(|target| folder.join(target));
    let named = quoted(text).filter(|it| FOLDERS.iter().any(|folder| it.starts_with(folder)));
    linked
        .chain(named.map(PathBuf::from))
        .filter(|path| !root().join(path).exists())
        .map(|path| format!("{document}: {}", path.display()))
        .collect()
}

/// All sources below a folder, in one text.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, text);
        } else if path.extension().is_some_and(|it| it == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// The tests that `text` names and `sources` do not have. A test's name is a sentence: it has three words at least.
fn lost_tests<'a>(text: &'a str, sources: &str) -> Vec<&'a str> {
    let is_name = |it: &&str| {
        it.matches('_').count() >= 2
            && it
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let tests = quoted(text).filter(is_name);
    tests
        .filter(|test| !sources.contains(&format!("fn {test}(")))
        .collect()
}

/// From one heading to the next of its level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) = text.split_once(heading).expect(heading);
    rest.split("\n## ").next().unwrap()
}

#[test]
fn every_path_that_is_named_exists() {
    let lost: Vec<_> = DOCUMENTS
        .iter()
        .flat_map(|document| lost_paths(document, &read(document)))
        .collect();
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn every_test_that_is_named_exists() {
    let mut code = String::new();
    for folder in ["src", "actors", "loadtest", "tests"] {
        sources(&root().join(folder), &mut code);
    }
    let text = read("ARCHITECTURE.md");
    let invariants = section(&text, "\n## Invariants\n");
    for n in 1..=13 {
        assert!(invariants.contains(&format!("\n| I{n} | ")), "I{n}");
    }
    assert_eq!(lost_tests(invariants, &code), Vec::<&str>::new());
}

#[test]
fn what_is_lost_is_found() {
    let text = "`src/nowhere.rs`, [here](main.rs#x), [there](gone.md), <https://a.b/c>, `no_such_test`, `a_test`";
    assert_eq!(
        lost_paths("src/x.md", text),
        ["src/x.md: src/gone.md", "src/x.md: src/nowhere.rs"]
    );
    assert_eq!(lost_tests(text, "fn such_test()"), ["no_such_test"]);
}

#[test]
fn every_reason_is_explained() {
    let check = |document: &str, reason: &str| {
        let row = format!("`{reason}`");
        assert!(read(document).contains(&row), "{document}: {reason}");
    };
    for reason in Reason::ALL {
        check("README.md", reason.as_str());
    }
    for reason in RejectionReason::ALL {
        check("README.md", reason.as_str());
    }
    // A held one is told by an event of its own, a surplus not at all.
    let is_told = |kind: &PendingKind| !matches!(kind, PendingKind::Held | PendingKind::Surplus);
    for kind in PendingKind::ALL.into_iter().filter(is_told) {
        check("README.md", kind.as_str());
    }
    for reason in dead_letter::Reason::ALL {
        check("docs/messages.md", reason.as_str());
    }
}

#[test]
fn the_readmes_configuration_is_right() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (config, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (key, file) = (
        folder.path().join("key"),
        folder.path().join("almoner.toml"),
    );
    fs::write(&key, "sk_test_readme\n").unwrap();
    let config = config.replace("/run/secrets/gateway_key", key.to_str().unwrap());
    fs::write(&file, config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_almoner"))
        .args(["config", "check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
