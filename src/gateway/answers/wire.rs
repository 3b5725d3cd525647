//! The fields that are read of the gateway's JSON, borrowed from the answer's bytes; all others are skipped.

use std::borrow::Cow;

use almoner_domain::card_number::masked;
use serde::Deserialize;

/// Characters of what is kept of the gateway's words: more than any code of its documents has, and few enough for an
/// outcome.
const KEPT_CHARS_MAX: usize = 200;

/// Text that is borrowed unless it holds escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(in crate::gateway) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A payment intent.
#[derive(Deserialize)]
pub(in crate::gateway) struct WireIntent<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub object: Text<'a>,
    pub amount: u64,
    #[serde(borrow)]
    pub currency: Text<'a>,
    #[serde(borrow)]
    pub status: Text<'a>,
    pub created: i64,
    #[serde(borrow, default)]
    pub latest_charge: Option<Text<'a>>,
    #[serde(borrow, default)]
    metadata: Option<Metadata<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    donation_id: Option<Text<'a>>,
}

/// One page of a list of payment intents.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    #[serde(borrow)]
    pub object: Text<'a>,
    #[serde(borrow)]
    pub data: Vec<WireIntent<'a>>,
    pub has_more: bool,
}

/// The body of every error.
#[derive(Deserialize)]
pub(super) struct ErrorBody<'a> {
    #[serde(borrow)]
    pub error: WireError<'a>,
}

/// What is wrong.
#[derive(Deserialize)]
pub(super) struct WireError<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub decline_code: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub param: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub message: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub payment_intent: Option<WireIntent<'a>>,
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is kept and told.
    pub(super) fn kept(&self) -> Box<str> {
        kept(&self.0)
    }
}

impl WireIntent<'_> {
    /// The donation that it says it is for.
    pub(in crate::gateway) fn donation_id(&self) -> Option<&str> {
        let id = self.metadata.as_ref()?.donation_id.as_ref()?;
        Some(id.as_str())
    }
}

impl WireError<'_> {
    /// Why a card declined, as it is kept: the code, or the type where there is none.
    pub(super) fn kept_code(&self) -> Box<str> {
        self.code.as_ref().unwrap_or(&self.kind).kept()
    }

    /// Which error it is, within its type.
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_ref().map(Text::as_str)
    }

    /// Type, code and parameter. The message is left out: it may quote what was sent.
    pub(super) fn named(&self) -> Box<str> {
        let code = self.code().unwrap_or("no code");
        let param = self.param.as_ref().map_or("no parameter", Text::as_str);
        kept(&format!("{}, {code}, {param}", self.kind.as_str()))
    }
}

/// What is stored and published is short, whatever the gateway said, and no card number: neither the whole, nor what the
/// cut leaves of a longer number.
fn kept(text: &str) -> Box<str> {
    let cut: String = masked(text).chars().take(KEPT_CHARS_MAX).collect();
    masked(&cut).into()
}
