//! MessagePack by hand on both sides: read from borrowed bytes without an allocation, written in the shortest form.
//! What arrives is hostile until proven otherwise: nothing is reserved by a claimed length, nesting is bounded.

mod fields;
mod read;
mod write;

pub(crate) use fields::{Fault, Fields, Problem};
pub(crate) use read::{Map, Token, Value, token};
pub(crate) use write::MapWriter;

use crate::dead_letter::{Reason, Unreadable};

/// Names the fields of one kind of message: an enum whose variants index [`Fields`], and their names on the wire.
macro_rules! field_names {
    ($name:ident { $($field:ident = $text:literal),* $(,)? }) => {
        /// The fields on the wire.
        #[derive(Clone, Copy)]
        pub(super) enum $name { $($field),* }

        impl $name {
            /// The names on the wire, in the order in which they are written.
            pub(super) const NAMES: &'static [&'static str; [$($text),*].len()] = &[$($text),*];

            /// This field's name on the wire.
            pub(super) const fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }

        impl From<$name> for usize {
            fn from(field: $name) -> Self {
                field as Self
            }
        }
    };
}
pub(crate) use field_names;

/// The value of the `content-type` header.
pub(crate) const CONTENT_TYPE: &str = "application/msgpack";

/// The version of the contracts that this code reads and writes: the value of the `schema-version` header.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// [`SCHEMA_VERSION`] as the header spells it.
pub(crate) const SCHEMA_VERSION_TEXT: &str = "1";

/// Holds a record's `schema-version` header, if it has one, against [`SCHEMA_VERSION`].
pub(crate) fn check_schema_version(header: Option<&[u8]>) -> Result<(), Unreadable> {
    let Some(header) = header else {
        return Ok(());
    };
    if header.is_empty() || !header.iter().all(u8::is_ascii_digit) {
        let detail = "the header schema-version is not a decimal number";
        return Err(Unreadable::new(Reason::Undecodable, detail));
    }
    let version = header
        .iter()
        .try_fold(0u32, |version, digit| {
            version
                .checked_mul(10)?
                .checked_add(u32::from(digit - b'0'))
        })
        .unwrap_or(u32::MAX);
    if version > SCHEMA_VERSION {
        let detail = format!(
            "the header schema-version is above {SCHEMA_VERSION}, which is the latest that is read here"
        );
        return Err(Unreadable::new(Reason::SchemaTooNew, detail));
    }
    Ok(())
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        let reason = match fault {
            Fault::Malformed(_) | Fault::Empty | Fault::NotAMap => Reason::Undecodable,
            Fault::Trailing(_) => Reason::TrailingBytes,
            Fault::Duplicate(_) => Reason::DuplicateField,
        };
        Self::new(reason, fault.to_string())
    }
}
