//! The words of the errors: what is wrong with a value, and what to write instead.

use super::keys::{Choice, Key, Kind, env_name, keys, shown};
use super::not_built;

impl Key {
    /// Whether it is a free map.
    pub fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Options)
    }

    /// What to write, as in "write …".
    pub fn write(&self) -> String {
        match &self.kind {
            Kind::Integer { min, max } => {
                format!("a whole number{} from {min} to {max}", self.unit())
            }
            Kind::Boolean => "true or false".to_owned(),
            Kind::Text {
                write: Some(write), ..
            } => write.clone(),
            Kind::Text { .. } | Kind::Secret => "text in quotes".to_owned(),
            Kind::Choice(choices) => alternatives(choices),
            Kind::List(_) => format!("a list, such as {}", self.default),
            Kind::Options => "text, a whole number or a boolean for each option".to_owned(),
        }
    }

    /// " of milliseconds", as the name says.
    fn unit(&self) -> &'static str {
        match self.path.rsplit_once('_').map(|(_, unit)| unit) {
            Some("ms") => " of milliseconds",
            Some("s") => " of seconds",
            _ => "",
        }
    }

    /// What is wrong with a value that was refused; of a list, with the entry that was.
    pub fn refusal(&self, path: &str, value: &toml::Value, entry: Option<&toml::Value>) -> String {
        let value = entry.unwrap_or(value);
        if let Some(message) = not_built::message(path, value) {
            return message.to_owned();
        }
        let is_secret = keys().is_secret(path);
        match (&self.kind, value) {
            (Kind::Choice(choices), toml::Value::String(_)) => no_choice(value, choices),
            (Kind::List(choices), toml::Value::String(_)) if entry.is_some() => {
                no_choice(value, choices)
            }
            (Kind::Options, _) if path == self.path => {
                format!(
                    "is a table of options; write {}.\"linger.ms\" = 5",
                    self.path
                )
            }
            (Kind::Options, _) => format!("{}; write text in quotes", kind_of(value, is_secret)),
            (
                Kind::Text {
                    write: Some(write), ..
                },
                toml::Value::String(_),
            ) => {
                format!("{value} cannot be used; write {write}")
            }
            _ => format!("{}; write {}", kind_of(value, is_secret), self.write()),
        }
    }

    /// What is wrong with a number outside the range, or an empty text; nothing, if it is neither.
    pub fn out_of_range(&self, value: &toml::Value) -> Option<String> {
        match (&self.kind, value) {
            (Kind::Integer { min, max }, toml::Value::Integer(number)) => {
                let inside =
                    u64::try_from(*number).is_ok_and(|number| (*min..=*max).contains(&number));
                let why = self
                    .why
                    .as_ref()
                    .map(|why| format!(" ({why})"))
                    .unwrap_or_default();
                (!inside).then(|| format!("{number} is out of range; write {}{why}", self.write()))
            }
            (
                Kind::Text {
                    may_be_empty: false,
                    ..
                },
                toml::Value::String(text),
            ) if text.trim().is_empty() => {
                Some("is empty; write text, or leave the key out for the default".to_owned())
            }
            (Kind::List(_), toml::Value::Array(list)) if list.is_empty() => {
                Some(format!("is empty; write {}", self.write()))
            }
            _ => None,
        }
    }
}

/// What is wrong with a text that is none of these.
fn no_choice(value: &toml::Value, choices: &[Choice]) -> String {
    let values = choices.iter().map(|choice| choice.value.as_str());
    match nearest(value.as_str().unwrap_or_default(), values) {
        Some(near) => format!("{value} is not a choice; did you mean \"{near}\"?"),
        None => format!(
            "{} is not a choice; write {}",
            described(value, false),
            alternatives(choices)
        ),
    }
}

/// What a value is, with its kind: `"30s" is text`. Of a secret the kind alone.
fn kind_of(value: &toml::Value, is_secret: bool) -> String {
    let kind = match value {
        toml::Value::String(_) => "text",
        toml::Value::Integer(_) => "a whole number",
        toml::Value::Float(_) => "a fraction",
        toml::Value::Boolean(_) => "a boolean",
        toml::Value::Datetime(_) => "a date",
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a table",
    };
    format!("{} is {kind}", described(value, is_secret))
}

/// A value as it was written, if it is short and may be shown.
fn described(value: &toml::Value, is_secret: bool) -> String {
    let short = !matches!(value, toml::Value::Array(_) | toml::Value::Table(_));
    match value.to_string() {
        text if short && !is_secret && text.chars().count() <= 80 => text,
        _ => "the value".to_owned(),
    }
}

/// What to say of a name that is no key, from the file.
pub(super) fn unknown(path: &str) -> String {
    match nearest_key(path) {
        Some(near) => format!("unknown key; did you mean {}?", shown(near)),
        None => format!("unknown key; {}", known_ones(path)),
    }
}

/// What to say of a variable that sets no key.
pub(super) fn unknown_variable(path: &str) -> String {
    match nearest_key(path) {
        Some(near) => format!("sets no key; did you mean {}?", env_name(near)),
        None => format!("sets no key; {}", known_ones(path)),
    }
}

/// What to say of a value where a table is wanted.
pub(super) fn section_expected(path: &str) -> String {
    format!("is a table of keys; {}", known_ones(path))
}

/// What to say of a number that is too large to be one.
pub(super) fn unheld(path: &str) -> String {
    let write = keys()
        .known(path)
        .map(|key| format!("; write {}", key.write()));
    format!("is too large{}", write.unwrap_or_default())
}

/// What to say of a key that has two values in one place.
pub(super) fn given_twice(key: &str) -> String {
    format!("is given twice; keep either {} or {0}_file", shown(key))
}

/// The known key that was probably meant: the same name elsewhere, or a similar one.
fn nearest_key(path: &str) -> Option<&'static str> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let all = || keys().keys.iter().map(|key| key.path.as_str());
    let mut same_name = all().filter(|key| key.rsplit('.').next() == Some(name));
    match (same_name.next(), same_name.next()) {
        (Some(only), None) => Some(only),
        _ => nearest(
            path,
            all().chain(keys().sections.iter().map(|section| section.name.as_str())),
        ),
    }
}

/// The most similar text, if it is similar at all: one edit in three characters, at most.
fn nearest<'c>(text: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let text = text.to_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&text, candidate), candidate))
        .filter(|(edits, candidate)| edits * 3 <= candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

fn known_ones(path: &str) -> String {
    let section = path.split('.').next().unwrap_or(path);
    let of_section = keys()
        .keys
        .iter()
        .filter_map(|key| key.path.strip_prefix(section)?.strip_prefix('.'));
    let names: Vec<&str> = of_section.collect();
    if names.is_empty() {
        let sections: Vec<String> = keys()
            .sections
            .iter()
            .map(|section| format!("[{}]", section.name))
            .collect();
        format!("there are {}", sections.join(", "))
    } else {
        format!("[{section}] has {}", names.join(", "))
    }
}

fn alternatives(choices: &[Choice]) -> String {
    let quoted: Vec<String> = choices
        .iter()
        .map(|choice| format!("\"{}\"", choice.value))
        .collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
