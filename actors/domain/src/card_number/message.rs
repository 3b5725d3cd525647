//! Masks a whole message, which is MessagePack or only claims to be.

use super::{MASK, is_card_integer, mask_text};
use crate::wire::{Token, Value, token};

/// So often bytes are searched for what masking has made readable. Honest records need two; each further one took a
/// record that was made for it, and those can go on for as long as the record is.
const SEARCHES_MAX: usize = 8;

/// Overwrites in `bytes` whatever looks like a card number: in text, in binary, in what cannot be read, and as an
/// integer (or a float that is one), whose bytes become zero. Length and structure stay. Says whether there was any.
pub fn mask_message(bytes: &mut [u8]) -> bool {
    // What is masked in bytes that are no MessagePack can make other bytes of them readable, so again until nothing
    // is found: masked twice is the same as masked once.
    for search in 0..SEARCHES_MAX {
        if !mask_once(bytes) {
            return search > 0;
        }
    }
    // Without a digit there is no text to be masked any more, so no length changes, and one more search finds the rest.
    let readable = readable_bytes(bytes);
    for byte in &mut bytes[readable..] {
        if byte.is_ascii_digit() {
            *byte = MASK;
        }
    }
    mask_once(bytes);
    true
}

fn mask_once(bytes: &mut [u8]) -> bool {
    let readable = readable_bytes(bytes);
    let mut any = mask_text(&mut bytes[readable..]);
    let mut at = 0;
    while at < bytes.len() {
        let left = &bytes[at..];
        let (content, next) = match token(left) {
            Ok((read, rest)) => {
                let next = bytes.len() - rest.len();
                (content(&read), next)
            }
            Err(_) => (None, at + 1),
        };
        any |= match content {
            Some(Content::Text(length)) => mask_text(&mut bytes[next - length..next]),
            Some(Content::Number(number)) if is_card_integer(number) => {
                bytes[at + 1..next].fill(0);
                true
            }
            _ => false,
        };
        at = next;
    }
    any
}

/// What of a token could be a card number.
enum Content {
    /// The last so many bytes of it.
    Text(usize),
    /// The number that it is.
    Number(u64),
}

fn content(read: &Token<'_>) -> Option<Content> {
    match read {
        Token::Str(bytes) | Token::Bin(bytes) | Token::Ext(bytes) => {
            Some(Content::Text(bytes.len()))
        }
        Token::UInt(number) => Some(Content::Number(*number)),
        Token::Float(number) if number.fract() == 0.0 && *number > 0.0 => {
            // A card number has fewer digits than make this cast inexact, or it is none that a float could hold.
            Some(Content::Number(*number as u64))
        }
        _ => None,
    }
}

/// How many of the first bytes are one whole value: there, only text is text. `0` where they are none.
fn readable_bytes(bytes: &[u8]) -> usize {
    match Value::first_of(bytes) {
        Ok((Value::Map(_) | Value::Array | Value::Str(_) | Value::Bin(_), rest)) => {
            bytes.len() - rest.len()
        }
        _ => 0,
    }
}
