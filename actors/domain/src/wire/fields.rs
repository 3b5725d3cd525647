//! The one map that a message is, its known fields by index, its unknown ones skipped.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::read::{Malformed, Reader, Value};

/// Why bytes are not a message at all.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the value is not MessagePack: {0}")]
    Malformed(#[from] Malformed),
    #[error("the value is empty; send a MessagePack map of named fields")]
    Empty,
    #[error("the value is not a map of named fields; send one, as MessagePack")]
    NotAMap,
    #[error(
        "the message ends before the value does (bytes left: {0}); send one message a record, and nothing after it"
    )]
    Trailing(usize),
    #[error("the field {0} stands there twice; send it once")]
    Duplicate(&'static str),
}

/// What is wrong with one field: a sentence for a person, which never repeats a value that could be a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// The field's name on the wire; `None` if it is the message as a whole.
    pub(crate) field: Option<&'static str>,
    /// What is wrong and what to send instead.
    pub(crate) detail: Cow<'static, str>,
}

impl Problem {
    pub(crate) fn new(
        field: impl Into<Option<&'static str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
        }
    }
}

/// The known fields of one message.
pub(crate) struct Fields<'a, const N: usize> {
    names: &'static [&'static str; N],
    values: [Option<Value<'a>>; N],
    /// Whether there was a field whose name is not text.
    pub(crate) has_unnamed: bool,
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads `bytes`, which must be one map and nothing after it, each field at most once.
    pub(crate) fn read(names: &'static [&'static str; N], bytes: &'a [u8]) -> Result<Self, Fault> {
        if bytes.is_empty() {
            return Err(Fault::Empty);
        }
        let mut reader = Reader::new(bytes);
        let count = reader.map_header()?.ok_or(Fault::NotAMap)?;
        let mut fields = Self {
            names,
            values: [None; N],
            has_unnamed: false,
        };
        let mut duplicate = None;
        let mut unknown = SmallVec::<[&'a [u8]; 8]>::new();
        let mut expected = 0;
        for _ in 0..count {
            let name = reader.value()?;
            let value = reader.value()?;
            let Value::Str(name) = name else {
                fields.has_unnamed = true;
                continue;
            };
            match fields.index_of(name, expected) {
                Some(index) => {
                    expected = index + 1;
                    if fields.values[index].replace(value).is_some() {
                        duplicate = duplicate.or(Some(names[index]));
                    }
                }
                None => unknown.push(name),
            }
        }
        if reader.left() > 0 {
            return Err(Fault::Trailing(reader.left()));
        }
        if unknown.len() > 1 {
            unknown.sort_unstable();
            if unknown.windows(2).any(|pair| pair[0] == pair[1]) {
                duplicate = duplicate.or(Some("(one that is not known here)"));
            }
        }
        duplicate.map_or(Ok(fields), |name| Err(Fault::Duplicate(name)))
    }

    /// Fields mostly come in the order in which they are documented, so the search starts where it would be then.
    fn index_of(&self, name: &[u8], expected: usize) -> Option<usize> {
        let is_at = |index: &usize| self.names[*index].as_bytes() == name;
        (expected..N)
            .find(is_at)
            .or_else(|| (0..expected).find(is_at))
    }

    /// The field's value; nil counts as absent.
    pub(crate) fn value(&self, field: impl Into<usize>) -> Option<Value<'a>> {
        self.values[field.into()].filter(|value| *value != Value::Nil)
    }

    /// The field's text, if it is there.
    pub(crate) fn text(&self, field: impl Into<usize>) -> Result<Option<&'a str>, Problem> {
        let field = field.into();
        match self.value(field) {
            None => Ok(None),
            Some(Value::Str(bytes)) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|_| self.problem(field, "is text that is not UTF-8")),
            Some(other) => Err(self.wrong_kind(field, other, "text")),
        }
    }

    /// The field's text, which must be there.
    pub(crate) fn required_text(&self, field: impl Into<usize>) -> Result<&'a str, Problem> {
        let field = field.into();
        self.text(field)?
            .ok_or_else(|| self.problem(field, "is missing"))
    }

    /// The field's number from zero, in any integer encoding, if it is there.
    pub(crate) fn uint(&self, field: impl Into<usize>) -> Result<Option<u64>, Problem> {
        let field = field.into();
        match self.value(field) {
            None => Ok(None),
            Some(Value::UInt(number)) => Ok(Some(number)),
            Some(Value::Negative(_)) => Err(self.problem(field, "is negative")),
            Some(other) => Err(self.wrong_kind(field, other, "an integer")),
        }
    }

    /// The field's signed number, if it is there.
    pub(crate) fn int(&self, field: impl Into<usize>) -> Result<Option<i64>, Problem> {
        let field = field.into();
        match self.value(field) {
            None => Ok(None),
            Some(Value::Negative(number)) => Ok(Some(number)),
            Some(Value::UInt(number)) => i64::try_from(number)
                .map(Some)
                .map_err(|_| self.problem(field, "is more than 64 bits with a sign hold")),
            Some(other) => Err(self.wrong_kind(field, other, "an integer")),
        }
    }

    /// The field's yes or no, if it is there.
    pub(crate) fn flag(&self, field: impl Into<usize>) -> Result<Option<bool>, Problem> {
        let field = field.into();
        match self.value(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.wrong_kind(field, other, "a boolean")),
        }
    }

    /// "`{field} {what}`".
    pub(crate) fn problem(&self, field: impl Into<usize>, what: &str) -> Problem {
        let name = self.names[field.into()];
        Problem::new(name, format!("{name} {what}"))
    }

    /// "`{field} is {something else}; send {wanted}`".
    pub(crate) fn wrong_kind(
        &self,
        field: impl Into<usize>,
        is: Value<'_>,
        wanted: &str,
    ) -> Problem {
        self.problem(field, &format!("is {}; send {wanted}", is.kind()))
    }
}
