//! The simulator's journal: its intents, or the line that cannot be read.

use std::path::Path;

use almoner::simulator::{JournalError, intents_of_journal};

use super::bounds::within_bytes;
use super::explore::{Fate, Target, fate};

/// The file is read through a buffer of a megabyte.
const BYTES_MAX: u64 = 3 << 20;

fn target(folder: &Path, input: &[u8]) -> Fate {
    std::fs::write(folder.join("journal.jsonl"), input).unwrap();
    match within_bytes(BYTES_MAX, || intents_of_journal(folder)) {
        Ok(intents) => {
            let statuses: Vec<_> = intents.iter().map(|intent| intent.status).collect();
            fate(&format!("read {statuses:?}"))
        }
        Err(error @ JournalError::Corrupt { .. }) => fate(
            error
                .to_string()
                .rsplit_once("cannot be read")
                .map_or("", |(_, why)| why),
        ),
        Err(error) => panic!("{error}"),
    }
}

pub fn journals() -> Target {
    let folder = tempfile::tempdir().unwrap();
    Target {
        seeds: Vec::new(),
        words: vec![
            b"18446744073709551615",
            b"-9223372036854775808",
            b"\"amount\":",
            b"\"refunded\"",
            b"\"charged\"",
            b"{\"at_ms\":0,\"events\":[]}\n",
            b"null",
        ],
        invent: None,
        inputs: 2_000,
        reaches: &["read [", ": "],
        read: Box::new(move |input| target(folder.path(), input)),
    }
}
