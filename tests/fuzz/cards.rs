//! No card number comes out: of sentences, of letters, and not at the price of endless searching.

use almoner_domain::card_number::{contains_card_number, mask_message, mask_text, masked};
use almoner_domain::dead_letter::{DeadLetter, Encoded};

use crate::bounds::within;

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
