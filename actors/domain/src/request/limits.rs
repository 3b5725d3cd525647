//! The limits of a request's fields, and what a token of the gateway looks like.

use crate::card_number::contains_card_number;

/// Characters of `message`.
pub(super) const MESSAGE_CHARS_MAX: usize = 500;
/// Entries of `metadata`.
pub(super) const METADATA_ENTRIES_MAX: usize = 20;
/// Characters of a key of `metadata`.
pub(super) const METADATA_KEY_CHARS_MAX: usize = 40;
/// Characters of a value of `metadata`.
pub(super) const METADATA_VALUE_CHARS_MAX: usize = 500;
/// Characters of `receipt_email`: what a mail's path takes (RFC 5321).
pub(super) const EMAIL_CHARS_MAX: usize = 254;
/// Characters of `payment_method` and `gateway_customer`.
pub(super) const TOKEN_CHARS_MAX: usize = 255;

/// Whether `text` has the shape of the gateway's tokens (`pm_…`, `card_…`, `src_…`, `tok_…`): lower-case letters, an
/// underscore, then letters, digits and underscores; at most [`TOKEN_CHARS_MAX`]; and no card number in it.
pub(crate) fn is_token(text: &str) -> bool {
    text.len() <= TOKEN_CHARS_MAX
        && text.split_once('_').is_some_and(|(prefix, name)| {
            !prefix.is_empty()
                && prefix.bytes().all(|byte| byte.is_ascii_lowercase())
                && !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
        && !contains_card_number(text)
}

/// Whether `text` names a customer of the gateway's.
pub(super) fn is_customer(text: &str) -> bool {
    text.starts_with("cus_") && is_token(text)
}

/// Whether a mail might be sent to `text`. No more is checked, since only a mail can tell.
pub(super) fn is_email(text: &str) -> bool {
    has_chars_at_most(text, EMAIL_CHARS_MAX)
        && text
            .split_once('@')
            .is_some_and(|(mailbox, host)| !mailbox.is_empty() && !host.is_empty())
        && !text
            .chars()
            .any(|char| char.is_control() || char.is_whitespace())
        && !contains_card_number(text)
}

/// Whether `text` has at most `max` characters. Text of as few bytes is not counted.
pub(super) fn has_chars_at_most(text: &str, max: usize) -> bool {
    text.len() <= max || text.chars().nth(max).is_none()
}
