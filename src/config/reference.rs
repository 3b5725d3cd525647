//! The reference page and the commented example file, made from the keys, so that neither can say what is not so.

use std::fmt::Write as _;

use super::keys::{Key, Kind, Section, env_name, keys};

/// `docs/configuration.md`: every key.
pub fn page() -> String {
    let mut out = INTRODUCTION.to_owned();
    for section in &keys().sections {
        let _ = write!(out, "\n## `[{}]`\n\n{}\n", section.name, section.doc);
        for key in of_section(section) {
            page_key(&mut out, section, key);
        }
    }
    out
}

/// `config/almoner.toml`: every key with its default, commented out.
pub fn example() -> String {
    let mut out = EXAMPLE_INTRODUCTION.to_owned();
    for section in &keys().sections {
        let _ = writeln!(out, "\n\n{}[{}]", commented(&section.doc), section.name);
        for key in of_section(section) {
            example_key(&mut out, section, key);
        }
    }
    out
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Made by `cargo run -- config docs --write` from the doc comments in src/config/; change those. -->

Values come from the defaults, over them from the file that `--config` or `ALMONER_CONFIG` names, over that from the
environment. [`config/almoner.toml`](../config/almoner.toml) is a file with every key.

- `ALMONER__SECTION__KEY` sets a key, two underscores between the parts: `ALMONER__GATEWAY__TIMEOUT_MS=5000`. The value is
  read as TOML, and as text where it is not TOML. `ALMONER__KAFKA__CLIENT__SASL_PASSWORD` means `client.\"sasl.password\"`.
- A secret can also be read from a file: its key with `_file` at the end (`api_key_file`, `ALMONER__GATEWAY__API_KEY_FILE`)
  names it. A line break at its end does not count.
- `almoner config check` says everything that is wrong, at once; `almoner config show` prints every value with where it
  comes from, without the secrets.
- A relative path starts from the working folder.
";

const EXAMPLE_INTRODUCTION: &str = "\
# Almoner's configuration: every key with its default. Take the # before a key away to set it.
# docs/configuration.md says the same in prose; `almoner config check --config FILE` checks a file.
#
# Made by `cargo run -- config docs --write` from the doc comments in src/config/; change those.
";

fn of_section(section: &Section) -> impl Iterator<Item = &'static Key> {
    let inside = format!("{}.", section.name);
    keys()
        .keys
        .iter()
        .filter(move |key| key.path.starts_with(&inside))
}

fn page_key(out: &mut String, section: &Section, key: &Key) {
    let name = &key.path[section.name.len() + 1..];
    let _ = write!(out, "\n### `{name}`\n\n{}\n", key.doc);
    if let Kind::Choice(choices) | Kind::List(choices) = &key.kind {
        out.push('\n');
        for choice in choices {
            let _ = writeln!(out, "- `\"{}\"`: {}", choice.value, choice.doc);
        }
    }
    let _ = writeln!(out, "\n{}\n{}", allowed(key), default(key));
    match &key.kind {
        Kind::Secret => {
            let _ = writeln!(
                out,
                "In the environment: `{0}`, or `{0}_FILE`.",
                env_name(&key.path)
            );
        }
        Kind::Options => {
            let _ = writeln!(
                out,
                "In the environment: `{}__` and the option's name, `_` for each dot.",
                env_name(&key.path)
            );
        }
        _ => {
            let _ = writeln!(out, "In the environment: `{}`.", env_name(&key.path));
        }
    }
}

fn example_key(out: &mut String, section: &Section, key: &Key) {
    let name = &key.path[section.name.len() + 1..];
    let _ = write!(out, "\n{}", commented(&key.doc));
    if let Kind::Choice(choices) | Kind::List(choices) = &key.kind {
        for choice in choices {
            let _ = writeln!(out, "#   \"{}\": {}", choice.value, choice.doc);
        }
    }
    if !matches!(key.kind, Kind::Text { write: None, .. }) {
        out.push_str(&commented(&allowed(key)));
    }
    let _ = match &key.kind {
        Kind::Options => writeln!(out, "#{name}.\"linger.ms\" = 5"),
        Kind::Secret => writeln!(
            out,
            "#{name} = \"…\"\n#{name}_file = \"/run/secrets/{name}\""
        ),
        _ => writeln!(out, "#{name} = {}", key.default),
    };
}

/// What may be written, and why.
fn allowed(key: &Key) -> String {
    let what = match &key.kind {
        Kind::Text { write: None, .. } => "Text".to_owned(),
        Kind::Secret => "Secret text".to_owned(),
        Kind::Choice(_) => "One of these".to_owned(),
        Kind::List(_) => "A list of these".to_owned(),
        _ => capitalized(&key.write()),
    };
    let why = key.why.as_ref().map(|why| format!(": {why}"));
    format!("{what}{}.", why.unwrap_or_default())
}

/// What stands where nothing is written.
fn default(key: &Key) -> String {
    match &key.kind {
        Kind::Secret => "No default.".to_owned(),
        Kind::Options => "None by default.".to_owned(),
        _ => format!("Default: `{}`.", key.default),
    }
}

fn commented(text: &str) -> String {
    text.lines().map(|line| format!("# {line}\n")).collect()
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}
