//! Reads MessagePack, value by value, from a slice.

use rmp::Marker;

/// How deep arrays and maps may be nested, the message's own map included.
const LEVELS_MAX: u8 = 16;

/// One whole value. Text is not yet checked to be UTF-8: only who wants it pays for that.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Value<'a> {
    Nil,
    Bool(bool),
    UInt(u64),
    /// Less than zero.
    Negative(i64),
    Float,
    Str(&'a [u8]),
    Bin(&'a [u8]),
    Array,
    Map(Map<'a>),
    Ext,
}

impl<'a> Value<'a> {
    /// The value that `bytes` begin with, and the rest.
    pub(crate) fn first_of(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let mut reader = Reader { rest: bytes };
        Ok((reader.value()?, reader.rest))
    }

    /// What it is, for a sentence: "… is {kind}".
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a boolean",
            Self::UInt(_) | Self::Negative(_) => "a number",
            Self::Float => "a float",
            Self::Str(_) => "text",
            Self::Bin(_) => "binary",
            Self::Array => "an array",
            Self::Map(_) => "a map",
            Self::Ext => "an extension",
        }
    }
}

/// The entries of a map that was read to its end once, so that its length and nesting are known to be sound.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Map<'a> {
    /// How many entries it has.
    pub(crate) count: u32,
    entries: &'a [u8],
}

impl<'a> Map<'a> {
    /// Its entries in their order.
    pub(crate) fn entries(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let mut reader = Reader { rest: self.entries };
        std::iter::from_fn(move || Some((reader.value().ok()?, reader.value().ok()?)))
    }
}

/// Why bytes are not MessagePack, or not of the kind that is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it ends in the middle of a value")]
    Truncated,
    #[error("it contains the byte 0xc1, which MessagePack never uses")]
    Reserved,
    #[error("it is nested deeper than {LEVELS_MAX} levels")]
    TooDeep,
}

/// One marker with what follows it directly: the unit that MessagePack is made of. Arrays and maps are followed by
/// as many values (for maps: twice as many) as they announce.
pub(crate) enum Token<'a> {
    Nil,
    Bool(bool),
    UInt(u64),
    Negative(i64),
    Float(f64),
    Str(&'a [u8]),
    Bin(&'a [u8]),
    Array(u32),
    Map(u32),
    Ext(&'a [u8]),
}

/// The first token of `bytes`, and the rest.
pub(crate) fn token(bytes: &[u8]) -> Result<(Token<'_>, &[u8]), Malformed> {
    let mut reader = Reader { rest: bytes };
    let token = reader.token()?;
    Ok((token, reader.rest))
}

/// A place in a slice of MessagePack.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes were not read yet.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next value, read to its end: an element of the message's own map.
    pub(crate) fn value(&mut self) -> Result<Value<'a>, Malformed> {
        Ok(match self.token()? {
            Token::Nil => Value::Nil,
            Token::Bool(flag) => Value::Bool(flag),
            Token::UInt(number) => Value::UInt(number),
            Token::Negative(number) => Value::Negative(number),
            Token::Float(_) => Value::Float,
            Token::Str(text) => Value::Str(text),
            Token::Bin(bytes) => Value::Bin(bytes),
            Token::Ext(_) => Value::Ext,
            Token::Array(count) => {
                self.skip(u64::from(count), LEVELS_MAX - 2)?;
                Value::Array
            }
            Token::Map(count) => {
                let start = self.rest;
                self.skip(u64::from(count) * 2, LEVELS_MAX - 2)?;
                let entries = &start[..start.len() - self.rest.len()];
                Value::Map(Map { count, entries })
            }
        })
    }

    /// The header of the map that the message must be: how many entries follow. `None` if it is something else.
    pub(crate) fn map_header(&mut self) -> Result<Option<u32>, Malformed> {
        match self.token()? {
            Token::Map(count) => Ok(Some(count)),
            _ => Ok(None),
        }
    }

    /// Skips values. Every value takes a byte at least, so a claimed count costs no more than the bytes there are.
    fn skip(&mut self, values: u64, levels_left: u8) -> Result<(), Malformed> {
        for _ in 0..values {
            let inside = match self.token()? {
                Token::Array(count) => u64::from(count),
                Token::Map(count) => u64::from(count) * 2,
                _ => continue,
            };
            let levels_left = levels_left.checked_sub(1).ok_or(Malformed::TooDeep)?;
            self.skip(inside, levels_left)?;
        }
        Ok(())
    }

    fn token(&mut self) -> Result<Token<'a>, Malformed> {
        let [marker] = self.array()?;
        Ok(match Marker::from_u8(marker) {
            Marker::FixPos(number) => Token::UInt(number.into()),
            Marker::FixNeg(number) => Token::Negative(number.into()),
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::U8 => Token::UInt(u8::from_be_bytes(self.array()?).into()),
            Marker::U16 => Token::UInt(u16::from_be_bytes(self.array()?).into()),
            Marker::U32 => Token::UInt(u32::from_be_bytes(self.array()?).into()),
            Marker::U64 => Token::UInt(u64::from_be_bytes(self.array()?)),
            Marker::I8 => signed(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => signed(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => signed(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => signed(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(length) => Token::Str(self.take(length.into())?),
            Marker::Str8 | Marker::Str16 | Marker::Str32 => Token::Str(self.sized(marker - 0xd9)?),
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => Token::Bin(self.sized(marker - 0xc4)?),
            Marker::FixArray(count) => Token::Array(count.into()),
            Marker::Array16 => Token::Array(u16::from_be_bytes(self.array()?).into()),
            Marker::Array32 => Token::Array(u32::from_be_bytes(self.array()?)),
            Marker::FixMap(count) => Token::Map(count.into()),
            Marker::Map16 => Token::Map(u16::from_be_bytes(self.array()?).into()),
            Marker::Map32 => Token::Map(u32::from_be_bytes(self.array()?)),
            Marker::FixExt1 | Marker::FixExt2 | Marker::FixExt4 => {
                self.ext(1 << (marker - 0xd4))?
            }
            Marker::FixExt8 | Marker::FixExt16 => self.ext(1 << (marker - 0xd4))?,
            Marker::Ext8 | Marker::Ext16 | Marker::Ext32 => {
                let length = self.length(marker - 0xc7)?;
                self.ext(length)?
            }
            Marker::Reserved => return Err(Malformed::Reserved),
        })
    }

    /// An extension's content, without its type.
    fn ext(&mut self, length: usize) -> Result<Token<'a>, Malformed> {
        let [_kind] = self.array()?;
        Ok(Token::Ext(self.take(length)?))
    }

    /// As many bytes as a length before them says.
    fn sized(&mut self, width: u8) -> Result<&'a [u8], Malformed> {
        let length = self.length(width)?;
        self.take(length)
    }

    /// A length of one (`width` 0), two (1) or four bytes (2).
    fn length(&mut self, width: u8) -> Result<usize, Malformed> {
        let length = match width {
            0 => u8::from_be_bytes(self.array()?).into(),
            1 => u16::from_be_bytes(self.array()?).into(),
            _ => u32::from_be_bytes(self.array()?),
        };
        usize::try_from(length).map_err(|_| Malformed::Truncated)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

/// A signed number, which is one of the others if it is not negative.
fn signed<'a>(number: i64) -> Token<'a> {
    u64::try_from(number).map_or(Token::Negative(number), Token::UInt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<Value<'_>, Malformed>) {
        let mut reader = Reader::new(bytes);
        assert_eq!(reader.value(), expected, "{bytes:02x?}");
        if expected.is_ok() {
            assert_eq!(reader.left(), 0, "{bytes:02x?}");
        }
    }

    #[test]
    fn every_integer_encoding_is_the_same_number() {
        for bytes in [
            &[0x07][..],
            &[0xcc, 7],
            &[0xcd, 0, 7],
            &[0xce, 0, 0, 0, 7],
            &[0xcf, 0, 0, 0, 0, 0, 0, 0, 7],
            &[0xd0, 7],
            &[0xd1, 0, 7],
            &[0xd2, 0, 0, 0, 7],
            &[0xd3, 0, 0, 0, 0, 0, 0, 0, 7],
        ] {
            check(bytes, Ok(Value::UInt(7)));
        }
        check(&[0xff], Ok(Value::Negative(-1)));
        check(&[0xd1, 0xff, 0xff], Ok(Value::Negative(-1)));
        check(&[0xcb, 0, 0, 0, 0, 0, 0, 0, 0], Ok(Value::Float));
    }

    #[test]
    fn text_binary_and_extensions_of_every_length_field() {
        check(&[0xa1, b'x'], Ok(Value::Str(b"x")));
        check(&[0xd9, 1, b'x'], Ok(Value::Str(b"x")));
        check(&[0xda, 0, 1, b'x'], Ok(Value::Str(b"x")));
        check(&[0xdb, 0, 0, 0, 1, b'x'], Ok(Value::Str(b"x")));
        check(&[0xc4, 1, b'x'], Ok(Value::Bin(b"x")));
        check(&[0xc5, 0, 1, b'x'], Ok(Value::Bin(b"x")));
        check(&[0xc6, 0, 0, 0, 1, b'x'], Ok(Value::Bin(b"x")));
        check(&[0xd4, 0, 1], Ok(Value::Ext));
        check(&[0xd6, 0, 1, 2, 3, 4], Ok(Value::Ext));
        check(
            &[0xd8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Ok(Value::Ext),
        );
        check(&[0xc7, 1, 0, 9], Ok(Value::Ext));
    }

    #[test]
    fn what_is_cut_or_never_used_is_malformed() {
        check(&[], Err(Malformed::Truncated));
        check(&[0xa5, b'x'], Err(Malformed::Truncated));
        check(&[0xc6, 0xff, 0xff, 0xff, 0xff], Err(Malformed::Truncated));
        check(
            &[0xdf, 0xff, 0xff, 0xff, 0xff, 1],
            Err(Malformed::Truncated),
        );
        check(&[0xdd, 0xff, 0xff, 0xff, 0xff], Err(Malformed::Truncated));
        check(&[0x91, 0xc1], Err(Malformed::Reserved));
    }

    #[test]
    fn sixteen_levels_with_the_messages_own_are_read_and_no_more() {
        let nested = |levels: usize| {
            let mut bytes = vec![0x91; levels];
            bytes.push(0xc0);
            bytes
        };
        check(&nested(15), Ok(Value::Array));
        check(&nested(16), Err(Malformed::TooDeep));
        check(&nested(100_000), Err(Malformed::TooDeep));
    }
}
