//! Configurations as people write them: what they come to, and what is said of those that are wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod commands;
mod every_key;
mod exit_codes;
mod reference;
mod refused;
mod secrets;
mod sources;

use std::ffi::OsString;

use almoner::config::{ConfigErrors, Loaded, Sources, load};

/// Loads a file with this text, over it these variables.
fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("almoner.toml");
    std::fs::write(&path, text).unwrap();
    let env = env
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    load(&Sources {
        file: Some(path),
        env: env.collect(),
    })
}

/// As `load_text`, with the one key that has no default.
fn load_with_key(text: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let key = [("ALMONER__GATEWAY__API_KEY", "sk_test")];
    load_text(text, &[&key, env].concat())
}

/// The errors, one a line, the file by its bare name.
fn lines(errors: &ConfigErrors) -> Vec<String> {
    let bare = |line: String| match line.find("almoner.toml:") {
        Some(start) if line.starts_with('/') => line[start..].to_owned(),
        _ => line,
    };
    errors.iter().map(|error| bare(error.to_string())).collect()
}

/// The one configuration is refused with these lines.
fn check_refused(loaded: Result<Loaded, ConfigErrors>, expected: &[&str]) {
    match loaded {
        Ok(loaded) => panic!(
            "taken, as:\n{}\nnot refused with {expected:#?}",
            loaded.show()
        ),
        Err(errors) => assert_eq!(lines(&errors), expected),
    }
}
