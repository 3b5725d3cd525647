//! A configuration, its file and its variables: taken, or refused with a line for everything that is wrong.
//!
//! An input is the file, then, each after a zero byte, variables as `NAME=VALUE`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use almoner::app::{gateway_options, kafka_options, settings_of};
use almoner::config::{Config, ConfigErrors, Loaded, Sources, load};

use super::bounds::within_bytes;
use super::explore::{Fate, Target, fate};

/// Stands in the environment of every input, and nowhere else: it is never shown.
const PLANTED: &str = "sk_live_planted";

/// A configuration is read once, at the start.
const BYTES_MAX: u64 = 16 << 20;

fn sources(path: &Path, input: &[u8]) -> Sources {
    let mut parts = input.split(|byte| *byte == 0);
    std::fs::write(path, parts.next().unwrap_or_default()).unwrap();
    let variables = parts.map(|part| {
        let end = part
            .iter()
            .position(|byte| *byte == b'=')
            .unwrap_or(part.len());
        let value = part.get(end + 1..).unwrap_or_default();
        (
            OsString::from_vec(part[..end].to_vec()),
            OsString::from_vec(value.to_vec()),
        )
    });
    let planted = ("ALMONER__GATEWAY__API_KEY".into(), PLANTED.into());
    Sources {
        file: Some(path.to_owned()),
        env: variables
            .filter(|(name, _)| *name != planted.0)
            .chain([planted.clone()])
            .collect(),
    }
}

fn target(path: &Path, input: &[u8]) -> Fate {
    let sources = sources(path, input);
    match within_bytes(BYTES_MAX, || load(&sources)) {
        Ok(loaded) => taken(&loaded),
        Err(errors) => refused(&errors),
    }
}

/// What was taken can be used, and shown.
fn taken(loaded: &Loaded) -> Fate {
    let config = &loaded.config;
    assert_eq!(config.gateway.api_key.expose(), PLANTED);
    let settings = settings_of(config, 12);
    assert!(settings.rules.key_usable_ms() > 0);
    let (gateway, _) = (gateway_options(config), kafka_options(config));
    assert!(!gateway.timeout.is_zero());
    let shown = loaded.show();
    shown
        .parse::<toml::Table>()
        .unwrap_or_else(|error| panic!("{error}\n{shown}"));
    assert!(!format!("{shown}{config:?}").contains(PLANTED));
    let default = Config::default();
    fate(&format!(
        "taken {} {} {}",
        config.kafka == default.kafka,
        config.donations == default.donations,
        config.limits == default.limits
    ))
}

fn refused(errors: &ConfigErrors) -> Fate {
    assert!(errors.iter().next().is_some());
    let said = errors.to_string();
    assert!(!said.contains(PLANTED), "{said}");
    for error in errors.iter() {
        assert!(!error.message.trim().is_empty());
    }
    let first = errors.iter().next().unwrap();
    fate(&format!("refused {}", first.message))
}

pub fn configurations() -> Target {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("almoner.toml");
    let example = include_str!("../../config/almoner.toml");
    let small = b"[gateway]\ntimeout_ms = 5_000\nbase_url = \"http://gateway:12111\"\n[donations]\nrequest_types = [\"donate\"]\nmax_age_s = 7_200\n\
        [kafka.client]\n\"sasl.password\" = \"p\"\n[kafka.topics]\nrequests = \"r\"\n[limits]\nin_flight_max = 64\n".to_vec();
    let mut variables = small.clone();
    variables.extend(b"\0ALMONER__GATEWAY__TIMEOUT_MS=7000\0ALMONER__KAFKA__CLIENT__SASL_PASSWORD=1e5\0ALMONER__LOG__LEVEL=debug");
    // The keys and sections of the example, as they are spelt there.
    let mut words: Vec<&[u8]> = example
        .split(['\n', ' ', '#', '='])
        .filter(|word| word.len() > 1)
        .map(str::as_bytes)
        .collect();
    words.extend([
        &b"9223372036854775807"[..],
        b"-9223372036854775808",
        b"0",
        b"1e400",
        b"inf",
        b"nan",
        b"1979-05-27",
        b"\"\"",
        b"[]",
        b"{}",
        b"[[",
        b"'''",
        b"\"\"\"",
        b"\0ALMONER__",
        b"\0ALMONER__GATEWAY__TIMEOUT_MS=",
        b"\0ALMONER__DONATIONS__REQUEST_TYPES=[]",
        b"_file = \"/none\"",
        b"kafka.client.x = 1\n",
    ]);
    // The keys are learnt from the schema once.
    target(&path, b"");
    Target {
        seeds: vec![example.into(), small, variables],
        words,
        invent: None,
        inputs: 1_500,
        reaches: &["taken", "refused not TOML", "refused"],
        read: Box::new(move |input| {
            let _kept = &folder;
            target(&path, input)
        }),
    }
}
