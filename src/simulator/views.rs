//! What the gateway has done with each intent, for a verdict: from the running simulator, or from its journal alone.

use std::collections::BTreeMap;
use std::path::Path;

use super::event::Event;
use super::intents::{Intent, Status};
use super::journal::{Journal, JournalError};

/// A payment intent and its money. Amounts are in the currency's smallest unit as Stripe counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentView {
    /// `pi_…`
    pub id: String,
    /// From its metadata.
    pub donation_id: Option<String>,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// In lower case.
    pub currency: String,
    /// What it asks for.
    pub amount: i64,
    /// What was charged: nothing or the amount.
    pub charged: i64,
    /// What was given back of it.
    pub refunded: i64,
    /// How often the card refused.
    pub declines: usize,
    /// How it stands.
    pub status: Status,
}

impl IntentView {
    pub(crate) fn of(intent: &Intent) -> Self {
        let (terms, now) = (&intent.terms, intent.now());
        Self {
            id: intent.id.to_string(),
            donation_id: terms.metadata.get("donation_id"),
            created_ms: terms.created_ms,
            currency: terms.currency.as_str().to_owned(),
            amount: terms.amount,
            charged: if now.status == Status::Succeeded {
                terms.amount
            } else {
                0
            },
            refunded: now.refunded,
            declines: intent.declines(),
            status: now.status,
        }
    }

    /// Whether the user has paid with it and was not given all of it back.
    pub fn is_unreversed_charge(&self) -> bool {
        self.charged > self.refunded
    }
}

/// Every intent of the journal in this folder, in order of creation.
///
/// # Errors
/// The journal cannot be read.
pub fn intents_of_journal(folder: &Path) -> Result<Vec<IntentView>, JournalError> {
    let mut intents = BTreeMap::new();
    for record in Journal::read(folder)? {
        let record = record?;
        for event in &record.events {
            if let Event::Created {
                intent,
                terms,
                visible_from_ms,
            } = event
            {
                intents.insert(
                    *intent,
                    Intent::new(*intent, terms.clone(), *visible_from_ms),
                );
            }
            if let Some(intent) = event.intent().and_then(|id| intents.get_mut(&id)) {
                intent.apply(event, record.at_ms);
            }
        }
    }
    Ok(intents.values().map(IntentView::of).collect())
}
