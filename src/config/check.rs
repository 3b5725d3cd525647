//! What types and ranges cannot say: values that no part can use, and values that contradict each other.

mod gateway;
mod kafka;
mod store;

use super::errors::Found;
use super::settings::{Origin, Settings};
use super::{Config, RequestType};

/// Notes everything that is wrong with a decoded configuration.
pub(super) fn all(config: &Config, settings: &Settings, found: &mut Found) {
    let mut check = Check { settings, found };
    kafka::check(&config.kafka, &mut check);
    gateway::check(&config.gateway, &mut check);
    store::check(&config.store, &mut check);
    listens_once(config, &mut check);
    donations(config, &mut check);
}

struct Check<'a> {
    settings: &'a Settings,
    found: &'a mut Found,
}

impl Check<'_> {
    /// Notes what is wrong between these keys, at the first of them, and where the first that was set stands. Keys that
    /// were already refused have lost their values: then nothing can be said.
    fn wrong(&mut self, keys: &[&str], message: impl Into<String>) {
        let Some(first) = keys.first() else { return };
        if keys.iter().any(|key| self.found.names(key)) {
            return;
        }
        let mut origins = keys.iter().map(|key| self.settings.origin(key));
        let origin = origins
            .find(|origin| **origin != Origin::Default)
            .unwrap_or(&Origin::Default);
        self.found.key(origin, first, message);
    }

    /// Notes that a required key is missing, unless it may be in what could not be read.
    fn missing(&mut self, key: &str, message: &str) {
        if !self.found.unreadable {
            self.wrong(&[key], message);
        }
    }
}

fn listens_once(config: &Config, check: &mut Check<'_>) {
    let Some(http) = config.http.listen.addr() else {
        return;
    };
    let admin = config.admin.listen;
    let same_ip =
        http.ip() == admin.ip() || http.ip().is_unspecified() || admin.ip().is_unspecified();
    if same_ip && http.port() == admin.port() && http.port() != 0 {
        let message =
            format!("{http} and admin.listen = \"{admin}\" are the same port; write another one");
        check.wrong(&["http.listen", "admin.listen"], message);
    }
}

fn donations(config: &Config, check: &mut Check<'_>) {
    let it = &config.donations;
    if it.confirm_within_s >= it.max_age_s {
        let message = format!(
            "{} is not below donations.max_age_s = {}: a held donation would expire before its user may answer; write less",
            it.confirm_within_s, it.max_age_s
        );
        check.wrong(
            &["donations.confirm_within_s", "donations.max_age_s"],
            message,
        );
    }
    if it.unknown_max > it.pending_max {
        let message = format!(
            "{} is above donations.pending_max = {}: an unknown donation is a pending one; write at most that",
            it.unknown_max, it.pending_max
        );
        check.wrong(&["donations.unknown_max", "donations.pending_max"], message);
    }
    if !it.request_types.contains(&RequestType::Donate) {
        check.wrong(
            &["donations.request_types"],
            "lacks \"donate\": nothing could be given; add it",
        );
    }
    let repeated = |(index, kind)| it.request_types[..index].contains(kind);
    if it.request_types.iter().enumerate().any(repeated) {
        check.wrong(
            &["donations.request_types"],
            "names a type twice; name each once",
        );
    }
}
