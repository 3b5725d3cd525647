//! What is not a message at all, and lengths and depths that only claim to be there.

use super::{Fate, Stage, Table, dead, rejected};
use crate::support::{Fields, Post};

/// More than brokers take by default, and so more than a dead letter may be.
const TOO_LARGE_BYTES: usize = 1_500_000;
/// What the service reads at most of one request.
const VALUE_BYTES_MAX: usize = 128 * 1024;
/// How deep a message may be nested, its own map included.
const LEVELS_MAX: usize = 16;

pub fn rows(table: &mut Table) {
    not_a_message(table);
    claimed_lengths(table);
    depths(table);
    sizes(table);
    versions(table);
}

fn not_a_message(table: &mut Table) {
    let undecodable = |why: &str| dead("almoner.undecodable", why);
    let truncated = undecodable("the value is not MessagePack: it ends in the middle of a value");
    table.value(
        "nothing",
        b"",
        undecodable("the value is empty; send a MessagePack map of named fields"),
    );
    table.record(
        "a tombstone",
        |post| post.value = None,
        undecodable("the value is empty; send a MessagePack map of named fields"),
    );
    table.value(
        "JSON",
        br#"{"type":"donate","id":"7"}"#,
        undecodable("the value is not a map of named fields; send one, as MessagePack"),
    );
    table.value(
        "a byte that MessagePack never uses",
        &[0x81, 0xa2, b'i', b'd', 0xc1],
        undecodable(
            "the value is not MessagePack: it contains the byte 0xc1, which MessagePack never uses",
        ),
    );
    table.value(
        "zeros",
        &[0; 64],
        undecodable("the value is not a map of named fields; send one, as MessagePack"),
    );
    table.value("half a field", &[0x81, 0xa2, b'i'], truncated.clone());
    table.record("half a message", halve, truncated);
    table.record(
        "bytes after the message",
        |post| append(post, b"\x00"),
        dead(
            "almoner.trailing_bytes",
            "the message ends before the value does (bytes left: 1); send one message a record, and nothing after it",
        ),
    );
    table.record(
        "two messages",
        |post| {
            let again = post.value.clone().unwrap();
            append(post, &again[..100]);
        },
        dead(
            "almoner.trailing_bytes",
            "the message ends before the value does (bytes left: 100); send one message a record, and nothing after it",
        ),
    );
    table.field(
        "a field twice",
        |fields| fields.twice("amount_minor"),
        dead(
            "almoner.duplicate_field",
            "the field amount_minor stands there twice; send it once",
        ),
    );
    table.field(
        "an unknown field twice",
        |fields| fields.uint("tip", 1).twice("tip"),
        dead(
            "almoner.duplicate_field",
            "the field (one that is not known here) stands there twice; send it once",
        ),
    );
    table.value(
        "an array of the values",
        &[0x93, 1, 2, 3],
        undecodable("the value is not a map of named fields; send one, as MessagePack"),
    );
}

/// Four billion of something, in a few bytes: nothing is reserved for them.
fn claimed_lengths(table: &mut Table) {
    let truncated = || {
        dead(
            "almoner.undecodable",
            "the value is not MessagePack: it ends in the middle of a value",
        )
    };
    table.value(
        "a map that claims 4 billion fields",
        &[0xdf, 255, 255, 255, 255],
        truncated(),
    );
    for (name, marker) in [
        ("a text that claims 4 GiB", 0xdb),
        ("bytes that claim 4 GiB", 0xc6),
        ("an array that claims 4 billion", 0xdd),
        ("a map within that claims 4 billion", 0xdf),
        ("an extension that claims 4 GiB", 0xc9),
    ] {
        table.field(
            name,
            |fields| fields.raw("metadata", &[marker, 255, 255, 255, 255, 0]),
            truncated(),
        );
    }
}

fn depths(table: &mut Table) {
    let nested = |levels: usize| [vec![0x91; levels - 1], vec![0x90]].concat();
    table.field(
        "as deep as may be",
        |fields| fields.raw("more", &nested(LEVELS_MAX - 1)),
        Fate::Succeeded,
    );
    let too_deep = || {
        dead(
            "almoner.undecodable",
            "the value is not MessagePack: it is nested deeper than 16 levels",
        )
    };
    table.field(
        "deeper",
        |fields| fields.raw("more", &nested(LEVELS_MAX)),
        too_deep(),
    );
    table.field(
        "a hundred thousand levels",
        |fields| fields.raw("more", &nested(100_000)),
        too_deep(),
    );
}

fn sizes(table: &mut Table) {
    let sound = |table: &Table, bytes: usize| {
        let fields = Fields::donate(table.number(), &table.user());
        let spare = bytes - fields.clone().raw("more", &bin(0)).bytes().len();
        fields.raw("more", &bin(spare))
    };
    let whole = sound(table, VALUE_BYTES_MAX);
    table.field("as large as may be", |_| whole, Fate::Succeeded);
    let larger = sound(table, VALUE_BYTES_MAX + 1);
    table.field(
        "one byte larger",
        |_| larger,
        Fate::Rejected(
            "invalid_request",
            None,
            "the value has 131073 bytes; send at most 131072".to_owned(),
        ),
    );
    let too_large = sound(table, TOO_LARGE_BYTES);
    table.field(
        "larger than the broker takes of us, and sound",
        |_| too_large,
        Fate::Rejected(
            "invalid_request",
            None,
            "the value has 1500000 bytes; send at most 131072".to_owned(),
        ),
    );
    table.value(
        "larger than the broker takes of us, and garbage",
        &vec![0; TOO_LARGE_BYTES],
        dead(
            "almoner.undecodable",
            "the value is not a map of named fields; send one, as MessagePack",
        ),
    );
    let many: Vec<_> = (0..500_000_u32).flat_map(|_| [0xa0, 0xc0]).collect();
    table.field(
        "half a million fields",
        |fields| fields.raw("more", &[vec![0xdf, 0, 7, 0xa1, 0x20], many].concat()),
        Fate::Rejected(
            "invalid_request",
            None,
            "the value has 1000161 bytes; send at most 131072".to_owned(),
        ),
    );
}

fn versions(table: &mut Table) {
    let header = |value: &[u8]| {
        let value = value.to_vec();
        move |post: &mut Post| post.headers.push((b"schema-version", value))
    };
    table.record("this schema's version", header(b"1"), Fate::Succeeded);
    table.record(
        "the next schema's version",
        header(b"2"),
        dead(
            "almoner.schema_too_new",
            "the header schema-version is above 1, which is the latest that is read here",
        ),
    );
    table.record(
        "a version beyond any integer",
        header(b"99999999999999999999999"),
        dead(
            "almoner.schema_too_new",
            "the header schema-version is above 1, which is the latest that is read here",
        ),
    );
    table.record(
        "a version that is no number",
        header(b"v1"),
        dead(
            "almoner.undecodable",
            "the header schema-version is not a decimal number",
        ),
    );
    table.record(
        "a thousand headers",
        |post| post.headers = (0..1_000).map(|_| (&b"x"[..], vec![b'x'; 64])).collect(),
        Fate::Succeeded,
    );
    table.record(
        "a header whose name is not UTF-8",
        |post| post.headers = vec![(b"\xff\xfe", b"x".to_vec())],
        Fate::Succeeded,
    );
    table.record(
        "such a header on what nobody can read",
        |post| {
            post.value = None;
            post.headers = vec![(b"\xff\xfe", b"x".to_vec())];
        },
        dead(
            "almoner.undecodable",
            "the value is empty; send a MessagePack map of named fields",
        ),
    );
    table.field(
        "a field whose name is not known",
        |fields| fields.text("colour", "green"),
        Fate::Succeeded,
    );
    table.record(
        "a field whose name is a number",
        |post| {
            let value = post.value.as_mut().unwrap();
            value[0] += 1;
            value.extend([7, 7]);
        },
        Fate::Rejected(
            "invalid_request",
            None,
            "a field's name is not text; send a map whose keys are field names".to_owned(),
        ),
    );
    table.field(
        "text that is not UTF-8",
        |fields| fields.raw("campaign_id", &[0xa2, 0xff, 0xfe]),
        rejected("campaign_id", "campaign_id is text that is not UTF-8"),
    );
}

/// MessagePack of so many bytes.
fn bin(bytes: usize) -> Vec<u8> {
    let length = u32::try_from(bytes).unwrap().to_be_bytes();
    [&[0xc6][..], &length, &vec![0; bytes]].concat()
}

fn halve(post: &mut Post) {
    let value = post.value.as_mut().unwrap();
    value.truncate(value.len() / 2);
}

fn append(post: &mut Post, bytes: &[u8]) {
    post.value.as_mut().unwrap().extend(bytes);
}

/// The letter that was larger than the broker takes is cut, and says what it was.
pub fn assert_cut(stage: &Stage) {
    let seen = stage.follower.seen();
    let cut: Vec<_> = seen
        .dead_letters
        .iter()
        .filter(|letter| letter.header("almoner-cut-length").is_some())
        .collect();
    assert_eq!(cut.len(), 1);
    let length = TOO_LARGE_BYTES.to_string();
    assert_eq!(cut[0].header("almoner-cut-length"), Some(length.as_bytes()));
    assert!(cut[0].header("almoner-sha256").is_some());
    assert!(cut[0].value.as_ref().is_some_and(|value| !value.is_empty()));
}
