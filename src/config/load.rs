//! From a file and the environment to a `Config`, or to everything that is wrong with them.

use std::ffi::OsString;
use std::path::PathBuf;

use serde_path_to_error::Segment;

use super::errors::{ConfigErrors, Found};
use super::keys::keys;
use super::settings::{Given, Origin, Settings};
use super::{Config, check, env, file};

/// Reads the configuration: defaults, over them the file, over that the environment, over all of it the checks.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let (loaded, checked) = load_unchecked(sources);
    checked.map(|()| loaded)
}

/// What could be read, with defaults where a value was refused, and what is wrong with it: to be shown, not to be run with.
pub fn load_unchecked(sources: &Sources) -> (Loaded, Result<(), ConfigErrors>) {
    let mut found = Found::default();
    let mut settings = Settings::default();
    if let Some(path) = &sources.file {
        file::read(path, &mut settings, &mut found);
    }
    env::read(&sources.env, &mut settings, &mut found);
    read_secret_files(&mut settings, &mut found);
    drop_out_of_range(&mut settings, &mut found);
    let config = decode(&mut settings, &mut found);
    check::all(&config, &settings, &mut found);
    (Loaded { config, settings }, found.finish())
}

/// Where the configuration is read from.
#[derive(Default)]
pub struct Sources {
    /// The file; without one, the defaults.
    pub file: Option<PathBuf>,
    /// The environment's variables; those that do not begin with `ALMONER__` are passed over.
    pub env: Vec<(OsString, OsString)>,
}

impl Sources {
    /// This file, and this process's environment.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self {
            file,
            env: std::env::vars_os().collect(),
        }
    }
}

/// A configuration with the origin of its values.
pub struct Loaded {
    /// The values.
    pub config: Config,
    pub(super) settings: Settings,
}

impl Loaded {
    /// Where the value of the key of this full name comes from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.settings.origin(key)
    }

    /// The values as TOML, each with its origin beside it, secrets redacted.
    pub fn show(&self) -> String {
        super::show::show(self)
    }
}

/// Puts the contents of a file where a setting names one.
fn read_secret_files(settings: &mut Settings, found: &mut Found) {
    settings.0.retain(|key, setting| {
        let Given::InFile(path) = &setting.given else {
            return true;
        };
        match read_secret(path) {
            Ok(secret) => {
                setting.given = Given::Value(toml::Value::String(secret));
                true
            }
            Err(message) => {
                found.key(&setting.origin, key, message);
                false
            }
        }
    });
}

fn read_secret(path: &toml::Value) -> Result<String, String> {
    let path = path.as_str().ok_or("write the path of a file, in quotes")?;
    let secret =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    match secret.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{path} is empty; write the secret into it")),
        secret => Ok(secret.to_owned()),
    }
}

fn drop_out_of_range(settings: &mut Settings, found: &mut Found) {
    settings.0.retain(|key, setting| {
        let (Some(known), Given::Value(value)) = (keys().get(key), &setting.given) else {
            return true;
        };
        // No key takes a date, but decoded it would pass for text.
        let is_date = value.is_datetime();
        let message = known
            .out_of_range(value)
            .or_else(|| is_date.then(|| known.refusal(key, value, None)));
        if let Some(message) = &message {
            found.key(&setting.origin, key, message);
        }
        message.is_none()
    });
}

/// Decodes the settings; one that is refused is noted and taken out, until the rest decodes.
fn decode(settings: &mut Settings, found: &mut Found) -> Config {
    loop {
        let error = match serde_path_to_error::deserialize(nested(settings)) {
            Ok(config) => return config,
            Err(error) => error,
        };
        let path: Vec<&Segment> = error.path().iter().collect();
        let Some(key) = refused_key(settings, &path) else {
            // Every error lies on the path of a setting, so this is a defect of ours: told, rather than run with defaults.
            found.place(
                Origin::Default,
                format!("cannot be decoded at {}", error.path()),
            );
            return Config::default();
        };
        if let Some(setting) = settings.0.remove(&key) {
            found.key(&setting.origin, &key, refusal(&key, &setting.given, &path));
        }
    }
}

/// The setting that the path of an error lies on.
fn refused_key(settings: &Settings, path: &[&Segment]) -> Option<String> {
    let mut name = String::new();
    for segment in path {
        let Segment::Map { key } = segment else { break };
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(key);
        if settings.0.contains_key(&name) {
            return Some(name);
        }
    }
    // A free map is decoded as a whole: the entry that it refused is the one that is no scalar.
    let scalar = |given: &Given| matches!(given, Given::Value(value) if value.is_str() || value.is_integer() || value.is_bool());
    let mut inside = settings.0.iter().filter(|(key, _)| key.starts_with(&name));
    inside
        .find(|(_, setting)| !scalar(&setting.given))
        .map(|(key, _)| key.clone())
}

fn refusal(key: &str, given: &Given, path: &[&Segment]) -> String {
    let (Some(known), Given::Value(value)) = (keys().known(key), given) else {
        return "cannot be used".to_owned();
    };
    let entry = path.iter().find_map(|segment| match segment {
        Segment::Seq { index } => value.get(*index),
        _ => None,
    });
    known.refusal(key, value, entry)
}

/// The settings as the tables that `Config` is decoded from.
fn nested(settings: &Settings) -> toml::Table {
    let mut root = toml::Table::new();
    for (path, setting) in &settings.0 {
        let Given::Value(value) = &setting.given else {
            continue;
        };
        let parts = keys().parts(path);
        let Some((name, tables)) = parts.split_last() else {
            continue;
        };
        let table = tables.iter().try_fold(&mut root, |table, name| {
            let inner = table
                .entry(*name)
                .or_insert_with(|| toml::Table::new().into());
            inner.as_table_mut()
        });
        if let Some(table) = table {
            table.insert((*name).to_owned(), value.clone());
        }
    }
    root
}
