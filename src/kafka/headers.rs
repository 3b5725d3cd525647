//! A record's headers, whatever bytes somebody wrote as their names.

use std::panic::{AssertUnwindSafe, catch_unwind};

use almoner_actors::ports::Header;
use rdkafka::message::{BorrowedMessage, Headers, Message};

/// The headers in order. One whose name is not UTF-8 is left out: the client library panics on it, the protocol knows
/// no such name, and a record that somebody wrote so must not stop its partition.
pub(super) fn readable<'m>(record: &'m BorrowedMessage<'_>) -> Vec<Header<'m>> {
    let Some(headers) = record.headers() else {
        return Vec::new();
    };
    (0..headers.count())
        .filter_map(|n| {
            let header = catch_unwind(AssertUnwindSafe(|| headers.try_get(n))).ok()??;
            Some((header.key, header.value))
        })
        .collect()
}
