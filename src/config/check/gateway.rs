//! What is checked of `[gateway]`.

use std::path::Path;

use hyper::Uri;

use super::Check;
use crate::config::gateway::Gateway;
use crate::config::secret::REDACTED;
use crate::gateway::trust;

pub(super) fn check(gateway: &Gateway, check: &mut Check<'_>) {
    api_key(gateway, check);
    if let Err(message) = parse_base_url(&gateway.base_url) {
        check.wrong(&["gateway.base_url"], message);
    }
    let ca_file = gateway.ca_file.as_deref().map(Path::new);
    if let Err(message) = trust::tls(ca_file) {
        check.wrong(&["gateway.ca_file"], message);
    }
    if !gateway.api_version.chars().all(|c| c.is_ascii_graphic()) {
        check.wrong(
            &["gateway.api_version"],
            "cannot be in an HTTP header; write a version, such as 2025-09-30.clover",
        );
    }
    if gateway.connect_timeout_ms > gateway.timeout_ms {
        let message = format!(
            "{} is above gateway.timeout_ms = {}, which it is part of; write at most that",
            gateway.connect_timeout_ms, gateway.timeout_ms
        );
        check.wrong(
            &["gateway.connect_timeout_ms", "gateway.timeout_ms"],
            message,
        );
    }
    if !gateway.http2_prior_knowledge && gateway.in_flight_max > gateway.connections_max {
        let message = format!(
            "{} is above gateway.connections_max = {}, and with HTTP/1.1 each call takes a connection; write at most that",
            gateway.in_flight_max, gateway.connections_max
        );
        let keys = [
            "gateway.in_flight_max",
            "gateway.connections_max",
            "gateway.http2_prior_knowledge",
        ];
        check.wrong(&keys, message);
    }
    stripes_own_promises(gateway, check);
}

fn api_key(gateway: &Gateway, check: &mut Check<'_>) {
    let key = gateway.api_key.expose();
    if key.is_empty() {
        let message =
            "is missing; set it here, as gateway.api_key_file, or as ALMONER__GATEWAY__API_KEY";
        check.missing("gateway.api_key", message);
    } else if key == REDACTED {
        check.wrong(
            &["gateway.api_key"],
            "is what stands here in place of a secret; write the secret itself",
        );
    } else if !key.chars().all(|c| c.is_ascii_graphic()) {
        let message = "has a space, a line break or a letter that cannot be in an HTTP header; write the key alone";
        check.wrong(&["gateway.api_key"], message);
    }
}

const BASE_URL: &str = "write http:// or https:// and a host, such as \"https://api.stripe.com\"";

/// The address, if it can be one. Its value is quoted only where it holds no password.
fn parse_base_url(text: &str) -> Result<Uri, String> {
    if text.contains('@') {
        return Err(
            "holds a user or password; write the address alone, and the key as gateway.api_key"
                .to_owned(),
        );
    }
    let uri: Uri = text
        .parse()
        .map_err(|_| format!("\"{text}\" is no address; {BASE_URL}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(format!("\"{text}\" is no address; {BASE_URL}"));
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(format!(
            "\"{text}\" has a query; write the address up to the path alone"
        ));
    }
    Ok(uri)
}

/// Stripe says how long it keeps a key and how late a charge may still happen: more trust than that is a double charge.
fn stripes_own_promises(gateway: &Gateway, check: &mut Check<'_>) {
    const DAY_S: u64 = 86_400;
    let host = parse_base_url(&gateway.base_url).ok();
    let host = host.as_ref().and_then(Uri::host).unwrap_or_default();
    if host != "stripe.com" && !host.ends_with(".stripe.com") {
        return;
    }
    if gateway.key_lifetime_s > DAY_S {
        let message = format!(
            "{} is above the {DAY_S} for which Stripe keeps a key; write at most that",
            gateway.key_lifetime_s
        );
        check.wrong(&["gateway.key_lifetime_s", "gateway.base_url"], message);
    }
    if gateway.reconcile_bound_s < DAY_S {
        let message = format!(
            "{} is below the {DAY_S} in which Stripe may still charge after an unclear answer; write at least that",
            gateway.reconcile_bound_s
        );
        check.wrong(&["gateway.reconcile_bound_s", "gateway.base_url"], message);
    }
}
