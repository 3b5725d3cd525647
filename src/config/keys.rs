//! Every key that there is, with what its doc comment and its type say of it: read off `Config`'s schema and defaults.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::Config;
use super::client_options::{FILE_OPTIONS, is_secret};
use super::file::{Node, walk};

/// All sections and keys, in the order in which `Config` declares them.
pub(super) fn keys() -> &'static Keys {
    static KEYS: LazyLock<Keys> = LazyLock::new(Keys::of_config);
    &KEYS
}

pub(super) struct Keys {
    pub sections: Vec<Section>,
    pub keys: Vec<Key>,
}

pub(super) struct Section {
    pub name: String,
    pub doc: String,
}

pub(super) struct Key {
    /// The full name: `kafka.topics.requests`.
    pub path: String,
    /// The doc comment, with its line breaks.
    pub doc: String,
    pub kind: Kind,
    /// Why the range is what it is.
    pub why: Option<String>,
    pub default: toml::Value,
}

pub(super) enum Kind {
    Integer {
        min: u64,
        max: u64,
    },
    Boolean,
    /// What to write, where it is not any text.
    Text {
        write: Option<String>,
        may_be_empty: bool,
    },
    Choice(Vec<Choice>),
    List(Vec<Choice>),
    Secret,
    /// A free map of names to values.
    Options,
}

/// One of the values that a key can have.
pub(super) struct Choice {
    pub value: String,
    pub doc: String,
}

/// What a name means.
pub(super) enum Place<'k> {
    Section,
    Key(&'k Key),
    /// An entry of a free map; its full name is the map's and its own, with a dot between.
    Option,
    Unknown,
}

impl Keys {
    fn of_config() -> Self {
        let settings =
            SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema = settings
            .into_generator()
            .into_root_schema_for::<Config>()
            .to_value();
        let defaults = Defaults::of_config();
        let mut found = Self {
            sections: Vec::new(),
            keys: Vec::new(),
        };
        for (name, section) in properties(&schema) {
            found.sections.push(Section {
                name: name.clone(),
                doc: text(section, "description"),
            });
            found.collect(name, section, &defaults);
        }
        found.keys.sort_by_key(|key| defaults.position(&key.path));
        found
            .sections
            .sort_by_key(|section| defaults.position(&section.name));
        found
    }

    fn collect(&mut self, prefix: &str, schema: &Json, defaults: &Defaults) {
        for (name, schema) in properties(schema) {
            let path = format!("{prefix}.{name}");
            if properties(schema).next().is_some() {
                self.collect(&path, schema, defaults);
            } else {
                self.keys.push(Key {
                    doc: text(schema, "description"),
                    kind: Kind::of(schema),
                    why: schema
                        .get("x-why")
                        .and_then(Json::as_str)
                        .map(str::to_owned),
                    default: defaults.value(&path),
                    path,
                });
            }
        }
    }

    /// The key of this full name.
    pub fn get(&self, path: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.path == path)
    }

    /// The key that a full name sets: its own, or the free map that it is an entry of.
    pub fn known(&self, path: &str) -> Option<&Key> {
        self.map_around(path).or_else(|| self.get(path))
    }

    /// What a name means, given part by part.
    pub fn place(&self, parts: &[&str]) -> Place<'_> {
        let path = parts.join(".");
        if self.map_around(&path).is_some() {
            return Place::Option;
        }
        if parts.iter().any(|part| part.contains('.')) {
            return Place::Unknown;
        }
        if let Some(key) = self.get(&path) {
            return Place::Key(key);
        }
        let inside = |key: &Key| is_inside(&key.path, &path);
        if self.keys.iter().any(inside) {
            Place::Section
        } else {
            Place::Unknown
        }
    }

    /// The free map that the full name is an entry of.
    fn map_around(&self, path: &str) -> Option<&Key> {
        let is_map = |key: &&Key| matches!(key.kind, Kind::Options) && is_inside(path, &key.path);
        self.keys.iter().find(is_map)
    }

    /// Whether the value of the key of this full name is never shown.
    pub fn is_secret(&self, path: &str) -> bool {
        match self.map_around(path) {
            Some(map) => is_secret(&path[map.path.len() + 1..]),
            None => self
                .get(path)
                .is_some_and(|key| matches!(key.kind, Kind::Secret)),
        }
    }

    /// The secret whose value is in the file that `path` names: `gateway.api_key` for `gateway.api_key_file`.
    pub fn secret_in_file<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_suffix("_file")
            .filter(|secret| self.is_secret(secret))
    }

    /// The tables to go through to the value of a full name.
    pub fn parts<'p>(&self, path: &'p str) -> Vec<&'p str> {
        match self.map_around(path) {
            Some(map) => {
                let (tables, name) = path.split_at(map.path.len());
                tables.split('.').chain([&name[1..]]).collect()
            }
            None => path.split('.').collect(),
        }
    }

    /// The full name that the rest of a variable's name means, after `ALMONER__`: `kafka.client.sasl.password` for
    /// `KAFKA__CLIENT__SASL_PASSWORD`, and with `_file` for `KAFKA__CLIENT__SASL_PASSWORD_FILE`.
    pub fn path_of_variable(&self, rest: &str) -> String {
        let path = rest.to_ascii_lowercase().replace("__", ".");
        let Some(map) = self.map_around(&path) else {
            return path;
        };
        let (tables, name) = path.split_at(map.path.len() + 1);
        let option = name.replace('_', ".");
        match option.strip_suffix(".file") {
            Some(secret) if is_secret(secret) && !FILE_OPTIONS.contains(&option.as_str()) => {
                format!("{tables}{secret}_file")
            }
            _ => format!("{tables}{option}"),
        }
    }
}

/// Whether a full name lies below another one.
fn is_inside(path: &str, table: &str) -> bool {
    path.strip_prefix(table)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// A full name as one would write it: an entry of a free map in quotes.
pub(super) fn shown(path: &str) -> String {
    match keys().map_around(path) {
        Some(map) => format!("{}.\"{}\"", map.path, &path[map.path.len() + 1..]),
        None => path.to_owned(),
    }
}

/// The variable that sets a key.
pub(super) fn env_name(path: &str) -> String {
    match keys().map_around(path) {
        Some(map) => {
            let (tables, name) = path.split_at(map.path.len() + 1);
            format!(
                "ALMONER__{}{}",
                tables.replace('.', "__"),
                name.replace('.', "_")
            )
            .to_ascii_uppercase()
        }
        None => format!("ALMONER__{}", path.replace('.', "__")).to_ascii_uppercase(),
    }
}

impl Kind {
    fn of(schema: &Json) -> Self {
        if schema.get("additionalProperties").is_some() {
            return Self::Options;
        }
        let listed = choices(schema);
        if !listed.is_empty() {
            return Self::Choice(listed);
        }
        match schema.get("type").and_then(Json::as_str) {
            Some("integer") => Self::Integer {
                min: schema.get("minimum").and_then(Json::as_u64).unwrap_or(0),
                max: schema
                    .get("maximum")
                    .and_then(Json::as_u64)
                    .unwrap_or(u64::MAX),
            },
            Some("boolean") => Self::Boolean,
            Some("array") => Self::List(schema.get("items").map(choices).unwrap_or_default()),
            _ if schema.get("writeOnly").is_some() => Self::Secret,
            _ => Self::Text {
                write: schema
                    .get("x-write")
                    .and_then(Json::as_str)
                    .map(str::to_owned),
                may_be_empty: schema.get("minLength").is_none(),
            },
        }
    }
}

/// The values that a schema lists, each with its doc comment.
fn choices(schema: &Json) -> Vec<Choice> {
    let listed = schema
        .get("oneOf")
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    listed
        .map(|choice| Choice {
            value: text(choice, "const"),
            doc: text(choice, "description"),
        })
        .collect()
}

fn properties(schema: &Json) -> impl Iterator<Item = (&String, &Json)> {
    schema
        .get("properties")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
}

fn text(schema: &Json, field: &str) -> String {
    schema
        .get(field)
        .and_then(Json::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The default of each key and its place in the order of declaration, which neither a schema nor a table keeps.
struct Defaults(Vec<(String, toml::Value)>);

impl Defaults {
    fn of_config() -> Self {
        let written = toml::to_string(&Config::default()).unwrap_or_default();
        let (table, _) = toml::de::DeTable::parse_recoverable(&written);
        let mut nodes = Vec::new();
        walk(table.get_ref(), &mut Vec::new(), &mut |node: Node<'_>| {
            let value = node.value().unwrap_or(toml::Value::Boolean(false));
            nodes.push((node.offset, node.parts.join("."), value));
            true
        });
        nodes.sort_by_key(|(offset, ..)| *offset);
        Self(
            nodes
                .into_iter()
                .map(|(_, path, value)| (path, value))
                .collect(),
        )
    }

    fn position(&self, path: &str) -> usize {
        self.0
            .iter()
            .position(|(name, _)| name == path)
            .unwrap_or(usize::MAX)
    }

    fn value(&self, path: &str) -> toml::Value {
        let found = self.0.iter().find(|(name, _)| name == path);
        found.map_or(toml::Value::Boolean(false), |(_, value)| value.clone())
    }
}
