//! No card number comes out: of sentences, of letters, and not at the price of endless searching.

use almoner_domain::card_number::{contains_card_number, mask_message, mask_text, masked};
use almoner_domain::dead_letter::{DeadLetter, Encoded};

use super::bounds::within;
use super::explore::{Fate, Target, fate};

/// The longest sentence that is said of an input.
const SENTENCE_CHARS_MAX: usize = 400;

/// A sentence about an input repeats no card number of it, and is one.
pub fn check_sentence(text: &str) {
    assert!(!text.is_empty(), "nothing is said");
    assert!(!contains_card_number(text), "a card number in {text:?}");
    let chars = text.chars().count();
    assert!(chars <= SENTENCE_CHARS_MAX, "{chars} characters: {text:?}");
}

/// The letter can be published: nothing of it is left to be masked, and nothing else of it is lost.
pub fn check_letter(letter: &DeadLetter) -> Encoded {
    check_sentence(&letter.detail);
    let lengths = |key: &Option<Vec<u8>>, value: &Option<Vec<u8>>| {
        (key.as_ref().map(Vec::len), value.as_ref().map(Vec::len))
    };
    let input_bytes = letter.value.as_ref().map_or(0, Vec::len)
        + letter.key.as_ref().map_or(0, Vec::len)
        + letter
            .headers
            .iter()
            .map(|(name, value)| 64 + name.len() + value.as_ref().map_or(0, Vec::len))
            .sum::<usize>();
    let encoded = within(input_bytes, || letter.clone().encode());
    assert_eq!(
        lengths(&encoded.key, &encoded.value),
        lengths(&letter.key, &letter.value)
    );
    let value = encoded.value.clone();
    assert!(!value.is_some_and(|mut value| mask_message(&mut value)));
    let key = encoded.key.clone();
    assert!(!key.is_some_and(|mut key| mask_text(&mut key)));
    for (name, value) in &encoded.headers[..letter.headers.len()] {
        assert!(!contains_card_number(name), "{name}");
        assert!(!value.clone().is_some_and(|mut value| mask_text(&mut value)));
    }
    let before = (&letter.key, &letter.value, &letter.headers[..]);
    let after = (
        &encoded.key,
        &encoded.value,
        &encoded.headers[..letter.headers.len()],
    );
    let says_so = encoded
        .headers
        .iter()
        .skip(letter.headers.len())
        .any(|(name, _)| &**name == "almoner-masked");
    assert_eq!(before != after, says_so);
    encoded
}

/// Any bytes as text and as a message: masked once is masked for good, and nothing but digits was touched.
fn text(input: &[u8]) -> Fate {
    let mut bytes = input.to_vec();
    let any_text = within(input.len(), || mask_text(&mut bytes));
    check_overwritten(input, &bytes);
    assert!(!mask_text(&mut bytes), "masked again");
    if let Ok(text) = std::str::from_utf8(input) {
        assert_eq!(masked(text).as_bytes(), bytes);
        assert_eq!(contains_card_number(text), any_text);
    }
    let mut message = input.to_vec();
    let any = within(input.len(), || mask_message(&mut message));
    assert_eq!(any, message != input);
    assert_eq!(message.len(), input.len());
    assert!(!mask_message(&mut message), "the message is masked again");
    let stars = message.iter().filter(|byte| **byte == b'*').count();
    let stars = "*".repeat(stars.min(64));
    fate(&format!("text {any_text}, message {any} {stars}"))
}

fn check_overwritten(before: &[u8], after: &[u8]) {
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after) {
        let is_masked = before.is_ascii_digit() && *after == b'*';
        assert!(before == after || is_masked);
    }
}

/// Bytes that are no MessagePack, in which every masked number makes the next one readable. Each link is a string whose
/// length is the first digit of a card number, hidden in a UUID. As long as it is one, other strings swallow all further
/// links; once it is overwritten, the string is shorter and leads to the next link.
fn unfolding(links: usize) -> Vec<u8> {
    let link = b"\xd941111111-1111-1111-4111-111111111111-------\xd9\x12--------\xd9\x3e--------";
    // The last string, too, is as long as it says.
    [b"\xc1", &link.repeat(links)[..], &[b'-'; 80]].concat()
}

#[test]
fn what_unfolds_as_it_is_masked_is_masked_in_time() {
    for links in [1, 2, 7, 8, 9, 100, 20_000] {
        let mut message = unfolding(links);
        assert!(within(message.len(), || mask_message(&mut message)));
        assert!(!mask_message(&mut message), "{links} links");
    }
}

pub fn texts() -> Target {
    Target {
        seeds: vec![
            unfolding(3),
            b"4111 1111 1111 1111, 3782-822463-10005".to_vec(),
            b"018f6b2e-5c1a-7abc-8def-0123456789ab".to_vec(),
            b"\x81\xa1k\xcf\x00\x0e\xe3\x5f\x39\xf2\x7f\xff".to_vec(),
            b"\x92\xd9\x104111111111111111\xc4\x104111111111111111".to_vec(),
        ],
        words: vec![
            b"41111111-1111-1111-4111-111111111111",
            b"4111111111111111",
            b"0123456789abcdef",
            b"\xd94",
            b"\xda",
            b"\xc1",
            b"-",
            b" ",
        ],
        invent: None,
        inputs: 10_000,
        reaches: &[
            "text true, message true",
            "text false, message false",
            "text false, message true",
        ],
        read: Box::new(text),
    }
}

/// A long record, full of what is nearly a card number.
#[test]
fn a_record_full_of_near_cards_is_masked_in_time() {
    for piece in [
        "4111111111111111a",
        "4111111111111111 ",
        "4111111111111111-",
        "41111111-1111-4111-8111-111111111111",
        "4111111111111111g",
        "4",
        "4 ",
        "\u{a3}4111111111111111",
    ] {
        let text = piece.repeat((1 << 18) / piece.len());
        within(text.len(), || masked(&text).len());
        let mut bytes = text.clone().into_bytes();
        within(text.len(), || mask_text(&mut bytes));
        for before in [&b"\xc7"[..], b"\x01", b"\xdb\x00\x04\x00\x00", b"\xd94"] {
            let mut message = [before, text.as_bytes()].concat();
            within(message.len(), || mask_message(&mut message));
            assert!(!mask_message(&mut message), "{piece:?} after {before:x?}");
        }
    }
}
