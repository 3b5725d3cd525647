//! `application/x-www-form-urlencoded`, written by hand, so that a frozen body is the same bytes for ever, whatever a
//! library thinks of it later.

use std::fmt::Write;

/// A form, or the query of an address.
#[derive(Debug)]
pub(super) struct Form(String);

impl Form {
    /// An empty form with room for a charge.
    pub(super) fn new() -> Self {
        Self(String::with_capacity(512))
    }

    /// Adds a field. The name is written as it is: it must be percent-encoded already (`metadata%5Buser_id%5D`).
    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.name(name);
        percent_encode(value, &mut self.0);
    }

    /// Adds a field whose value, shown, needs no encoding: a number or a UUID.
    pub(super) fn add_plain(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        let _ = write!(self.0, "{value}"); // writing to a string cannot fail
    }

    /// The form as text.
    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn name(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
    }
}

/// Everything but RFC 3986's unreserved characters becomes `%XX` of its UTF-8 bytes; a space, too, since a `+` is not
/// read as one everywhere.
fn percent_encode(text: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if text.bytes().all(is_unreserved) {
        return into.push_str(text);
    }
    for byte in text.bytes() {
        if is_unreserved(byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(HEX[usize::from(byte >> 4)]));
            into.push(char::from(HEX[usize::from(byte & 0xF)]));
        }
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        let mut into = String::new();
        percent_encode(text, &mut into);
        into
    }

    #[test]
    fn every_ascii_byte_is_itself_or_its_hexadecimal() {
        let unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
        for byte in 0..=0x7Fu8 {
            let text = char::from(byte).to_string();
            let expected = if unreserved.contains(&text) {
                text.clone()
            } else {
                format!("%{byte:02X}")
            };
            assert_eq!(encoded(&text), expected);
        }
    }

    #[test]
    fn other_characters_are_their_utf_8_bytes() {
        // Every byte that UTF-8 has beyond ASCII: two, three and four bytes long.
        for text in ["\u{80}", "ÿ", "߿", "€", "\u{FFFD}", "𝄞", "\u{10FFFF}"] {
            let expected: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            assert_eq!(encoded(text), expected);
        }
    }

    #[test]
    fn fields_are_joined_in_the_order_in_which_they_were_added() {
        let mut form = Form::new();
        form.add("a", "x&y=z");
        form.add_plain("b", 12);
        form.add("c%5B%5D", "");
        assert_eq!(form.into_string(), "a=x%26y%3Dz&b=12&c%5B%5D=");
    }
}
