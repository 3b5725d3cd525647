//! A record that nobody can be answered about: kept as it came, its card numbers masked, with what is known of it.

mod encode;

pub use encode::Encoded;

/// Why a record went to the dead letters. The list is open: more may come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// It is not what the contract says, and nobody can tell whose it is.
    Undecodable,
    /// Bytes follow the message.
    TrailingBytes,
    /// A field stands there twice.
    DuplicateField,
    /// Its `schema-version` is above ours.
    SchemaTooNew,
    /// Its `id` or `user_id` (a campaign's: its id) cannot be read.
    NoIdentity,
    /// It came twice to a partition that is not its user's.
    Misplaced,
    /// What handled it crashed too often, and it was never accepted.
    Quarantined,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Undecodable,
        Self::TrailingBytes,
        Self::DuplicateField,
        Self::SchemaTooNew,
        Self::NoIdentity,
        Self::Misplaced,
        Self::Quarantined,
    ];

    /// As the header `kafka_dlt-exception-fqcn` spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "almoner.undecodable",
            Self::TrailingBytes => "almoner.trailing_bytes",
            Self::DuplicateField => "almoner.duplicate_field",
            Self::SchemaTooNew => "almoner.schema_too_new",
            Self::NoIdentity => "almoner.no_identity",
            Self::Misplaced => "almoner.misplaced",
            Self::Quarantined => "almoner.quarantined",
        }
    }

    /// The reason that is spelt so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

/// Why a record cannot be read: it goes to the dead letters.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {detail}", .reason.as_str())]
pub struct Unreadable {
    /// Why.
    pub reason: Reason,
    /// A sentence for who looks at the dead letters. It repeats nothing of the record.
    pub detail: String,
}

impl Unreadable {
    /// A record that cannot be read for this reason.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

/// What a record's timestamp says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TimestampType {
    /// The record has none.
    None,
    /// The producer's clock.
    CreateTime,
    /// The broker's clock.
    LogAppendTime,
}

impl TimestampType {
    /// As Kafka's Java client spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NoTimestampType",
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
    }
}

/// A header of a Kafka record: its name, and a value that may be null.
pub type Header = (Box<str>, Option<Vec<u8>>);

/// A record on its way to the dead letters, as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value.
    pub value: Option<Vec<u8>>,
    /// The record's headers.
    pub headers: Vec<Header>,
    /// The topic from which it was read.
    pub topic: Box<str>,
    /// The partition from which it was read: first, if it was forwarded.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp, milliseconds since 1970; −1 if it has none.
    pub timestamp_ms: i64,
    /// Whose clock that was.
    pub timestamp_type: TimestampType,
    /// The consumer group that read it.
    pub group: Box<str>,
    /// Why it is here.
    pub reason: Reason,
    /// A sentence for who looks at the dead letters.
    pub detail: Box<str>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it first failed: wall clock, milliseconds since 1970.
    pub first_failure_ms: i64,
}
