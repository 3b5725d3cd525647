//! Card numbers, wherever people put them: they are refused or masked, and stand nowhere afterwards.

use std::path::Path;

use super::{Fate, Stage, Table, dead, rejected};
use crate::support::get;

/// Well-known test numbers, one for each kind of place, as they are written there.
const AS_METHOD: &str = "4242424242424242";
const IN_MESSAGE: &str = "5555 5555 5555 4444";
const IN_METADATA: &str = "3782-822463-10005";
const AS_INTEGER: u64 = 4_000_056_655_665_556;
const IN_GARBAGE: &str = "6011111111111117";
const IN_HEADER: &str = "4000000000000002";

pub fn rows(table: &mut Table) {
    table.field(
        "a card number as payment method",
        |it| it.text("payment_method", AS_METHOD),
        rejected(
            "payment_method",
            "payment_method is a card number, which must not be sent here; send the gateway's token, like pm_…",
        ),
    );
    table.field(
        "a card number behind a token's prefix",
        |it| it.text("payment_method", &format!("pm_{AS_METHOD}")),
        rejected(
            "payment_method",
            "payment_method is a card number, which must not be sent here; send the gateway's token, like pm_…",
        ),
    );
    table.field(
        "an integer as payment method",
        |it| it.uint("payment_method", AS_INTEGER),
        rejected("payment_method", "payment_method is a number; send text"),
    );
    table.field(
        "a card number with spaces in the message",
        |it| it.text("message", &format!("take it from {IN_MESSAGE}, please")),
        Fate::Succeeded,
    );
    table.field(
        "a card number with dashes in the metadata",
        |it| it.texts("metadata", &[("card", IN_METADATA), (IN_METADATA, "card")]),
        Fate::Succeeded,
    );
    table.field(
        "a card number as a campaign's name is an id",
        |it| {
            it.text("campaign_id", "campaign-9")
                .text("message", IN_MESSAGE)
        },
        super::failed(
            "campaign_not_found",
            "The campaign is not known. Nothing was charged.",
        ),
    );
    table.field(
        "a card number as the type",
        |it| it.text("type", IN_GARBAGE),
        rejected(
            "type",
            "type is not known here; send donate or confirm or cancel",
        ),
    );
    table.field(
        "a card number as the currency",
        |it| it.text("currency", IN_GARBAGE),
        rejected(
            "currency",
            "currency is not a currency of ISO 4217 with a minor unit; send its code, like EUR",
        ),
    );
    dead_letters(table);
}

/// What is kept as it came, but for the card numbers in it.
fn dead_letters(table: &mut Table) {
    let nobody = || {
        dead(
            "almoner.no_identity",
            "id is missing; send a UUID as text or 16 bytes",
        )
    };
    table.field(
        "card numbers in a message without an id",
        |it| {
            let it = it.without("id").text("payment_method", AS_METHOD);
            it.text("message", IN_MESSAGE).uint("card", AS_INTEGER)
        },
        nobody(),
    );
    table.value(
        "a card number inside bytes that nobody can read",
        format!("\u{1}\u{2}card={IN_GARBAGE};{IN_MESSAGE}").as_bytes(),
        dead(
            "almoner.undecodable",
            "the value is not a map of named fields; send one, as MessagePack",
        ),
    );
    table.record(
        "a card number cut off in the middle of a message",
        |post| {
            let fields = crate::support::Fields::donate(1, "u").text("message", IN_MESSAGE);
            let mut bytes = fields.bytes();
            bytes[0] += 1;
            post.value = Some(bytes);
        },
        dead(
            "almoner.undecodable",
            "the value is not MessagePack: it ends in the middle of a value",
        ),
    );
    table.record(
        "card numbers in the headers and the key of what nobody can read",
        |post| {
            post.value = None;
            post.key = Some(IN_GARBAGE.as_bytes().to_vec());
            post.headers.push((b"card", IN_HEADER.as_bytes().to_vec()));
        },
        dead(
            "almoner.undecodable",
            "the value is empty; send a MessagePack map of named fields",
        ),
    );
}

/// Neither card numbers nor the gateway's key stand in anything that was written.
pub fn assert_nowhere(stage: Stage) {
    let mut written = Vec::new();
    {
        let seen = stage.follower.seen();
        for told in &seen.outcomes {
            written.push(("an outcome".to_owned(), told.value.clone()));
        }
        for letter in &seen.dead_letters {
            let value = letter.value.clone().unwrap_or_default();
            written.push(("a dead letter".to_owned(), value));
            written.push(("its key".to_owned(), letter.key.clone().unwrap_or_default()));
            let headers = letter.headers.iter();
            written.extend(
                headers.map(|(name, value)| (name.clone(), value.clone().unwrap_or_default())),
            );
        }
    }
    let masked = |letter: &&crate::support::Letter| letter.header("almoner-masked").is_some();
    assert_eq!(
        stage
            .follower
            .seen()
            .dead_letters
            .iter()
            .filter(masked)
            .count(),
        4
    );
    for path in ["/metrics", "/readyz"] {
        let (_, body) = get(stage.instance.admin, path);
        written.push((path.to_owned(), body.into_bytes()));
    }
    let Stage {
        world, instance, ..
    } = stage;
    written.push(("the log".to_owned(), instance.stop().into_bytes()));
    read_folder(&world.store(), &mut written);

    for (name, bytes) in &written {
        for secret in needles() {
            let found = bytes.windows(secret.len()).any(|part| part == secret);
            assert!(
                !found,
                "{name} has {}: {}",
                String::from_utf8_lossy(&secret),
                String::from_utf8_lossy(bytes)
            );
        }
    }
    // The control: what is searched is what was written, and the search finds what is there.
    let has = |part: &[u8]| {
        written
            .iter()
            .any(|(_, bytes)| bytes.windows(part.len()).any(|it| it == part))
    };
    assert!(has(b"take it from ") && has(b"campaign-1") && has(b"almoner runs"));
}

/// What must not be found.
fn needles() -> Vec<Vec<u8>> {
    let texts = [
        AS_METHOD,
        IN_MESSAGE,
        IN_METADATA,
        IN_GARBAGE,
        IN_HEADER,
        "sk_test_of_the_whole",
    ];
    let mut needles: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    needles.push(AS_INTEGER.to_be_bytes().to_vec());
    needles.push(AS_INTEGER.to_string().into_bytes());
    needles
}

fn read_folder(folder: &Path, written: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(&path, written);
        } else {
            written.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}
