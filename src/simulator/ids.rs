//! Ids as Stripe writes them (`pi_…`, `ch_…`, `re_…`): a counter behind the tag of the journal they belong to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The text is not an id that this simulator gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id that this simulator gave out")]
pub struct UnknownId;

/// A payment intent: `pi_3`, the journal's tag in hex, the intent's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId {
    /// Which journal gave it out.
    pub tag: u32,
    /// Intents are numbered in the order of their creation, from 0.
    pub n: u64,
}

/// A charge: one try on an intent's card, whether it went through or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChargeId {
    /// The intent it was tried for.
    pub intent: IntentId,
    /// Which try, from 0.
    pub nth: u8,
}

/// A refund of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefundId {
    /// Which journal gave it out.
    pub tag: u32,
    /// Refunds are numbered in the order of their creation, from 0.
    pub n: u64,
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::of(b"pi_3", self.tag, self.n, 12).as_str())
    }
}

impl fmt::Display for ChargeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IntentId { tag, n } = self.intent;
        let number = n * 100 + u64::from(self.nth);
        f.write_str(Text::of(b"ch_3", tag, number, 14).as_str())
    }
}

impl fmt::Display for RefundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::of(b"re_3", self.tag, self.n, 12).as_str())
    }
}

/// An id as text. Every answer and every record has several, and `write!` would take a tenth of their time.
pub(crate) struct Text {
    bytes: [u8; 26],
    len: usize,
}

impl Text {
    /// A prefix, the tag in hex, and a number of so many digits.
    pub(crate) fn of(prefix: &[u8; 4], tag: u32, number: u64, digits: usize) -> Self {
        let mut bytes = [b'0'; 26];
        let (head, rest) = bytes.split_at_mut(4);
        head.copy_from_slice(prefix);
        let (hex, rest) = rest.split_at_mut(8);
        for (place, byte) in hex.iter_mut().rev().enumerate() {
            let nibble = (tag >> (4 * place)) & 0xf;
            *byte = b"0123456789abcdef"[nibble as usize];
        }
        let mut left = number;
        for byte in rest.iter_mut().take(digits).rev() {
            *byte = b'0' + (left % 10) as u8;
            left /= 10;
        }
        Self {
            bytes,
            len: 12 + digits.min(14),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl FromStr for IntentId {
    type Err = UnknownId;

    fn from_str(text: &str) -> Result<Self, UnknownId> {
        let (tag, n) = numbered(text, "pi_3", 12)?;
        Ok(Self { tag, n })
    }
}

impl FromStr for ChargeId {
    type Err = UnknownId;

    fn from_str(text: &str) -> Result<Self, UnknownId> {
        let (tag, number) = numbered(text, "ch_3", 14)?;
        let nth = u8::try_from(number % 100).map_err(|_| UnknownId)?;
        let intent = IntentId {
            tag,
            n: number / 100,
        };
        Ok(Self { intent, nth })
    }
}

impl FromStr for RefundId {
    type Err = UnknownId;

    fn from_str(text: &str) -> Result<Self, UnknownId> {
        let (tag, n) = numbered(text, "re_3", 12)?;
        Ok(Self { tag, n })
    }
}

/// Reads a prefix, eight hex digits and a number of exactly so many digits.
fn numbered(text: &str, prefix: &str, digits: usize) -> Result<(u32, u64), UnknownId> {
    let rest = text.strip_prefix(prefix).ok_or(UnknownId)?;
    let (tag, number) = rest.split_at_checked(8).ok_or(UnknownId)?;
    let strict = number.len() == digits
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && tag
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !strict {
        return Err(UnknownId);
    }
    let tag = u32::from_str_radix(tag, 16).map_err(|_| UnknownId)?;
    Ok((tag, number.parse().map_err(|_| UnknownId)?))
}

/// In JSON an id is its text.
macro_rules! as_text {
    ($($id:ty),*) => {$(
        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(IntentId, ChargeId, RefundId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_and_nothing_else_is() {
        let intent = IntentId { tag: 0xa1, n: 42 };
        let charge = ChargeId { intent, nth: 3 };
        let refund = RefundId { tag: 7, n: 1 };
        assert_eq!(intent.to_string(), "pi_3000000a1000000000042");
        assert_eq!(intent.to_string().parse(), Ok(intent));
        assert_eq!(charge.to_string().parse(), Ok(charge));
        assert_eq!(refund.to_string().parse(), Ok(refund));
        for text in [
            "",
            "pi_",
            "pi_3",
            "pi_3000000a1+00000000042",
            "pi_3000000A1000000000042",
            "ch_3000000a1000000000042",
            "pi_3000000a10000000000420",
            "pi_3é00000a1000000000042",
        ] {
            assert_eq!(text.parse::<IntentId>(), Err(UnknownId), "{text}");
        }
    }
}
