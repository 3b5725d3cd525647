//! Environment variables → settings: `ALMONER__GATEWAY__TIMEOUT_MS=5000`.

use std::ffi::OsString;

use super::errors::Found;
use super::keys::{Kind, Place, keys};
use super::settings::{Given, Origin, Setting, Settings};
use super::words;

const PREFIX: &str = "ALMONER__";

/// Reads every variable whose name begins with `ALMONER__`. It wins over the file.
pub(super) fn read(vars: &[(OsString, OsString)], settings: &mut Settings, found: &mut Found) {
    let mut ours: Vec<_> = vars
        .iter()
        .filter_map(|(name, value)| {
            let name = name.to_str()?;
            Some((name, name.strip_prefix(PREFIX)?, value))
        })
        .collect();
    ours.sort_unstable();
    for (name, rest, value) in ours {
        let origin = Origin::Env {
            name: name.to_owned(),
        };
        match value.to_str() {
            Some(value) => read_one(rest, value, origin, settings, found),
            None => found.place(origin, "the value is not UTF-8"),
        }
    }
}

fn read_one(rest: &str, text: &str, origin: Origin, settings: &mut Settings, found: &mut Found) {
    let path = keys().path_of_variable(rest);
    let parts: Vec<&str> = path.split('.').collect();
    let (key, given) = if let Some(secret) = keys().secret_in_file(&path) {
        (secret, Given::InFile(toml::Value::String(text.to_owned())))
    } else {
        let is_text = match keys().place(&parts) {
            Place::Unknown => return found.place(origin, words::unknown_variable(&path)),
            Place::Section => return found.place(origin, words::section_expected(&path)),
            Place::Option => true,
            Place::Key(key) => {
                matches!(key.kind, Kind::Text { .. } | Kind::Choice(_) | Kind::Secret)
            }
        };
        (path.as_str(), Given::Value(parse(text, is_text)))
    };
    let setting = Setting {
        given,
        origin: origin.clone(),
    };
    let replaced = settings.set(key, setting).map(|setting| setting.origin);
    if matches!(replaced, Some(Origin::Env { .. })) {
        found.key(&origin, key, words::given_twice(key));
    }
}

/// The value as TOML; as text where it is not TOML, or is TOML for something else where text is wanted: a password of
/// digits is still a password.
fn parse(text: &str, is_text: bool) -> toml::Value {
    match text.parse::<toml::Value>() {
        Ok(value) if !is_text || value.is_str() => value,
        _ => toml::Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, is_text: bool, expected: impl Into<toml::Value>) {
        assert_eq!(parse(text, is_text), expected.into(), "{text}");
    }

    #[test]
    fn values_are_toml_else_text() {
        check("30_000", false, 30_000);
        check("true", false, true);
        check("[\"donate\"]", false, vec!["donate"]);
        check("30s", false, "30s");
        check("\"quoted\"", true, "quoted");
        check("broker:9092", true, "broker:9092");
        check("", true, "");
    }

    #[test]
    fn where_text_is_wanted_digits_stay_text() {
        check("007", true, "007");
        check("1e5", true, "1e5");
        check("true", true, "true");
        check("2026-01-01", true, "2026-01-01");
        check("1\nx = 2", true, "1\nx = 2");
    }
}
