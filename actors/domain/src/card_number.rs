//! Finds card numbers and overwrites their digits, so that none gets into a log, the store or a topic (I13).
//!
//! A card number is 13 to 19 digits that begin as an issuer's numbers do, have a length that this issuer uses and
//! pass Luhn's check; single spaces or dashes may stand between the digits. The digits stand alone: no further digit
//! touches them. A UUID, and hexadecimal text of 32 to 128 digits, is never a card number, so ids, hashes and trace ids
//! come through. What is left to chance: one number in ten with an issuer's beginning passes Luhn.

mod issuers;
mod message;

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

pub use message::mask_message;

/// The fewest digits that a card number has here.
const DIGITS_MIN: usize = 13;
/// The most digits that a card number has.
const DIGITS_MAX: usize = 19;
/// What a digit is overwritten with.
const MASK: u8 = b'*';

/// Whether `text`, but for spaces and dashes between its digits, is a card number and nothing else.
#[must_use]
pub fn is_card_number(text: &str) -> bool {
    let text = text.trim();
    find(text.as_bytes()).any(|found| found == (0..text.len()))
}

/// Whether a card number stands anywhere in `text`.
#[must_use]
pub fn contains_card_number(text: &str) -> bool {
    find(text.as_bytes()).next().is_some()
}

/// Whether the number's decimal digits are a card number.
#[must_use]
pub fn is_card_integer(number: u64) -> bool {
    const LEAST: u64 = 10u64.pow(DIGITS_MIN as u32 - 1);
    const MOST: u64 = 10u64.pow(DIGITS_MAX as u32);
    if !(LEAST..MOST).contains(&number) {
        return false;
    }
    let mut digits = [0; DIGITS_MAX];
    let mut first = DIGITS_MAX;
    let mut left = number;
    while left > 0 {
        first -= 1;
        digits[first] = (left % 10) as u8;
        left /= 10;
    }
    issuers::is_issued(&digits[first..])
}

/// `text` with the digits of every card number in it overwritten by `*`; the same number of characters.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut numbers = find(text.as_bytes()).peekable();
    if numbers.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for number in numbers {
        masked.push_str(&text[done..number.start]);
        masked.extend(text[number.clone()].chars().map(|char| match char {
            '0'..='9' => char::from(MASK),
            other => other,
        }));
        done = number.end;
    }
    masked.push_str(&text[done..]);
    Cow::Owned(masked)
}

/// Overwrites the digits of every card number in `bytes` with `*`; says whether there was any. Bytes that are not
/// ASCII are never touched, so UTF-8 stays UTF-8.
pub fn mask_text(bytes: &mut [u8]) -> bool {
    let mut at = 0;
    let mut any = false;
    while let Some(found) = (Numbers { bytes, at }).next() {
        at = found.end;
        any = true;
        for byte in &mut bytes[found] {
            if byte.is_ascii_digit() {
                *byte = MASK;
            }
        }
    }
    any
}

/// Where card numbers stand in `bytes`, from the left, without overlap; of several that begin at one place the longest.
pub fn find(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    Numbers { bytes, at: 0 }
}

/// The search. `at` never stands inside a group of digits.
struct Numbers<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for Numbers<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        while self.at < self.bytes.len() {
            let rest = &self.bytes[self.at..];
            let start = self.at + rest.iter().position(u8::is_ascii_digit)?;
            if let Some(end) = longest_from(self.bytes, start) {
                self.at = end;
                return Some(start..end);
            }
            self.at = group_end(self.bytes, start);
        }
        None
    }
}

/// The end of the digits that begin at `start`.
fn group_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..]
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .map_or(bytes.len(), |length| start + length)
}

/// The end of the longest card number that begins with the group of digits at `start`.
fn longest_from(bytes: &[u8], start: usize) -> Option<usize> {
    let mut digits = [0; DIGITS_MAX];
    let mut count = 0;
    let mut at = start;
    let mut longest = None;
    while count < DIGITS_MAX {
        digits[count] = bytes[at] - b'0';
        count += 1;
        at += 1;
        match bytes.get(at) {
            Some(b'0'..=b'9') => continue,
            after => {
                if count >= DIGITS_MIN
                    && issuers::is_issued(&digits[..count])
                    && !is_exempt(bytes, start..at)
                {
                    longest = Some(at);
                }
                if !matches!(after, Some(b' ' | b'-'))
                    || !bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
                {
                    break;
                }
                at += 1;
            }
        }
    }
    longest
}

/// Whether the digits belong to a UUID or to long hexadecimal text.
fn is_exempt(bytes: &[u8], digits: Range<usize>) -> bool {
    let first = digits.start.saturating_sub(UUID_CHARS - 1);
    (first..digits.end).any(|start| is_uuid_at(bytes, start))
        || is_in_hex(bytes, digits.start)
        || is_in_hex(bytes, digits.end - 1)
}

const UUID_CHARS: usize = 36;

/// Whether a hyphenated UUID stands alone at `start`.
fn is_uuid_at(bytes: &[u8], start: usize) -> bool {
    let is_alphanumeric = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    bytes.get(start..start + UUID_CHARS).is_some_and(|text| {
        text.iter().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    }) && !is_alphanumeric(start + UUID_CHARS)
        && !start.checked_sub(1).is_some_and(is_alphanumeric)
}

const HEX_CHARS: RangeInclusive<usize> = 32..=128;

/// Whether the letters and digits around `at` are hexadecimal text of so many digits. No further is looked: who writes
/// a long word full of numbers would have all of it read again for each.
fn is_in_hex(bytes: &[u8], at: usize) -> bool {
    let is_word = |byte: &&u8| byte.is_ascii_alphanumeric();
    let before = bytes[..at].iter().rev().take(HEX_CHARS.end() + 1);
    let after = bytes[at..].iter().take(HEX_CHARS.end() + 1);
    let mut word = before.take_while(is_word).chain(after.take_while(is_word));
    let mut length = 0;
    word.all(|byte| {
        length += 1;
        byte.is_ascii_hexdigit()
    }) && HEX_CHARS.contains(&length)
}

#[cfg(test)]
mod tests;
