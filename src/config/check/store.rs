//! What is checked of `[store]`.

use super::Check;
use super::kafka::is_server;
use crate::config::store::{Scylla, Store, StoreKind};

pub(super) fn check(store: &Store, check: &mut Check<'_>) {
    if store.kind == StoreKind::Scylla {
        scylla(&store.scylla, check);
    }
}

fn scylla(it: &Scylla, check: &mut Check<'_>) {
    let mut servers = it.contact_points.split(',').map(str::trim);
    if let Some(server) = servers.find(|server| !is_server(server)) {
        let message = format!("\"{server}\" is no node; write host:port, separated by commas");
        check.wrong(&["store.scylla.contact_points"], message);
    }
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = it.keyspace.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || it.keyspace.len() > 48 || !it.keyspace.chars().all(fits) {
        check.wrong(
            &["store.scylla.keyspace"],
            "cannot be a keyspace; write up to 48 of a-z, 0-9 and _, a letter first",
        );
    }
    if it.username.is_none() && !it.password.is_empty() {
        check.wrong(
            &["store.scylla.username", "store.scylla.password"],
            "is empty, and there is a password; write whose it is",
        );
    }
    if it.tls && !cfg!(feature = "scylla-tls") {
        check.wrong(
            &["store.scylla.tls"],
            "this build cannot do it; build Almoner with `--features scylla-tls`",
        );
    }
    if it.ca_file.is_some() && !it.tls {
        check.wrong(
            &["store.scylla.ca_file", "store.scylla.tls"],
            "is of no use without TLS; write store.scylla.tls = true",
        );
    }
}
