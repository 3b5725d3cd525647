//! The configuration file → settings.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::errors::Found;
use super::keys::{Place, keys};
use super::settings::{Given, Origin, Setting, Settings};
use super::words;

/// Reads the file's settings. What is wrong with one line does not hide the others.
pub(super) fn read(path: &Path, settings: &mut Settings, found: &mut Found) {
    match std::fs::read_to_string(path) {
        Ok(text) => Reader {
            path,
            text: &text,
            settings,
            found,
        }
        .read(),
        Err(error) => {
            found.unreadable = true;
            let origin = Origin::File {
                path: path.to_owned(),
                line: 0,
            };
            found.place(
                origin,
                format!("the configuration file cannot be read: {error}"),
            );
        }
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    settings: &'a mut Settings,
    found: &'a mut Found,
}

impl Reader<'_> {
    fn read(mut self) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mut broken_lines = BTreeSet::new();
        for error in errors {
            self.found.unreadable = true;
            let origin = self.origin(error.span().map_or(0, |span| span.start));
            // One mistake can upset the parser several times: the first word is enough. Its message quotes no value.
            if broken_lines.insert(origin.clone()) {
                self.found.place(
                    origin,
                    format!("not TOML: {}", error.message().replace('\n', ", ")),
                );
            }
        }
        walk(table.get_ref(), &mut Vec::new(), &mut |node| {
            let origin = self.origin(node.offset);
            !broken_lines.contains(&origin) && self.node(node, origin)
        });
    }

    /// Takes one node, and says whether what is in it is to be looked at.
    fn node(&mut self, node: Node<'_>, origin: Origin) -> bool {
        let path = node.parts.join(".");
        let is_table = node.value.get_ref().is_table();
        match keys().place(node.parts) {
            Place::Section if is_table => return true,
            Place::Section => self
                .found
                .key(&origin, &path, words::section_expected(&path)),
            Place::Option if is_table => return true,
            Place::Key(key) if is_table && key.is_map() => return true,
            Place::Option | Place::Key(_) => self.take(&path, node, origin),
            Place::Unknown if keys().secret_in_file(&path).is_some() => {
                self.take(&path, node, origin)
            }
            Place::Unknown => self.found.key(&origin, &path, words::unknown(&path)),
        }
        false
    }

    fn take(&mut self, path: &str, node: Node<'_>, origin: Origin) {
        let value = match node.value() {
            Ok(value) => value,
            // The grammar takes numbers that no integer holds; the parser's words for them would be lost on a person.
            Err(_) => return self.found.key(&origin, path, words::unheld(path)),
        };
        let (key, given) = match keys().secret_in_file(path) {
            Some(secret) => (secret, Given::InFile(value)),
            None => (path, Given::Value(value)),
        };
        if self
            .settings
            .set(
                key,
                Setting {
                    given,
                    origin: origin.clone(),
                },
            )
            .is_some()
        {
            self.found.key(&origin, key, words::given_twice(key));
        }
    }

    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.get(..offset).unwrap_or(self.text);
        Origin::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
        }
    }
}

/// A key of a TOML document, with its value.
#[derive(Clone, Copy)]
pub(super) struct Node<'n> {
    /// The names of the tables that it is in, and its own.
    pub parts: &'n [&'n str],
    /// The first byte of its name.
    pub offset: usize,
    value: &'n Spanned<DeValue<'n>>,
}

impl Node<'_> {
    pub fn value(&self) -> Result<toml::Value, toml::de::Error> {
        toml::Value::deserialize(ValueDeserializer::from(self.value.clone()))
    }
}

/// Shows every node to `visit`, tables too; what is in a table only if it says so.
pub(super) fn walk<'t>(
    table: &'t DeTable<'t>,
    parents: &mut Vec<&'t str>,
    visit: &mut impl FnMut(Node<'_>) -> bool,
) {
    for (name, value) in table {
        parents.push(name.get_ref());
        let descend = visit(Node {
            parts: parents,
            offset: name.span().start,
            value,
        });
        if let (true, Some(inner)) = (descend, value.get_ref().as_table()) {
            walk(inner, parents, visit);
        }
        parents.pop();
    }
}
