//! `[kafka] client.*`: options passed on to librdkafka, some of which are secrets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::secret::Secret;

/// Options for librdkafka by their names there. What holds a password or a key is redacted in `Debug` and when serialized.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
pub struct ClientOptions(BTreeMap<String, ClientOption>);

/// One option's value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientOption {
    /// May be shown.
    Plain(String),
    /// May not.
    Secret(Secret),
}

impl ClientOptions {
    /// Name and value of each option, by name. The values are exposed: they are for the client and for nothing else.
    pub fn expose(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, option)| {
            let value = match option {
                ClientOption::Plain(text) => text.as_str(),
                ClientOption::Secret(secret) => secret.expose(),
            };
            (name.as_str(), value)
        })
    }

    /// Sets an option, as if the file had named it.
    pub fn set(&mut self, name: &str, value: &str) {
        let option = if is_secret(name) {
            ClientOption::Secret(Secret::from(value))
        } else {
            ClientOption::Plain(value.to_owned())
        };
        self.0.insert(name.to_owned(), option);
    }
}

/// Parts of names whose options are never shown. Rather one too many: a hidden method is a nuisance, a shown key a leak.
const SECRET_MARKS: [&str; 6] = [
    "password",
    "passphrase",
    "secret",
    "sasl.jaas",
    "key.pem",
    "oauthbearer",
];

/// librdkafka's own options that end in `.file`: in a variable's name their `_FILE` does not mean "read the secret from".
pub(super) const FILE_OPTIONS: [&str; 3] = [
    "sasl.oauthbearer.assertion.file",
    "sasl.oauthbearer.assertion.private.key.file",
    "sasl.oauthbearer.assertion.jwt.template.file",
];

/// Whether an option of this name is never shown.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_MARKS.iter().any(|mark| name.contains(mark))
}

impl Serialize for ClientOption {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => to.serialize_str(text),
            Self::Secret(secret) => secret.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for ClientOptions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut options = Self::default();
        for (name, value) in BTreeMap::<String, Scalar>::deserialize(from)? {
            options.set(&name, &value.0);
        }
        Ok(options)
    }
}

/// librdkafka takes text alone; whole numbers and booleans read better without quotes.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(from)? {
            toml::Value::String(text) => Ok(Self(text)),
            toml::Value::Integer(number) => Ok(Self(number.to_string())),
            toml::Value::Boolean(flag) => Ok(Self(flag.to_string())),
            other => Err(D::Error::invalid_type(
                Unexpected::Other(other.type_str()),
                &"text, a whole number or a boolean",
            )),
        }
    }
}

impl JsonSchema for ClientOptions {
    fn schema_name() -> Cow<'static, str> {
        "ClientOptions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "additionalProperties": { "type": ["string", "integer", "boolean"] }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_keys_are_secrets_and_file_names_are_not() {
        for name in [
            "sasl.password",
            "ssl.key.password",
            "ssl.keystore.password",
            "ssl.key.pem",
            "sasl.jaas.config",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "SASL.PASSWORD",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "security.protocol",
            "sasl.username",
            "ssl.ca.location",
            "linger.ms",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn debug_and_serialize_redact_what_expose_gives() {
        let mut options = ClientOptions::default();
        options.set("sasl.password", "hunter2");
        options.set("linger.ms", "5");
        let shown = format!("{options:?} {}", toml::to_string(&options).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("linger.ms"), "{shown}");
        assert!(
            options
                .expose()
                .eq([("linger.ms", "5"), ("sasl.password", "hunter2")])
        );
    }
}
