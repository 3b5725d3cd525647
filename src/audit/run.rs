//! An audit of a data folder against the gateway's list.

use super::Audit;
use super::books::BookSums;
use super::report::AuditReport;
use crate::gateway::{GatewayCharge, IntentList, InvalidOptions, ListError, Options};
use crate::store::ReadError;

use super::source::AuditedBooks;

/// A donation's intent is created after it was accepted, but by the gateway's clock: so much earlier it may say.
const CLOCK_SLACK_S: i64 = 300;

/// Why there is no result: a part of one would prove nothing.
#[derive(Debug, thiserror::Error)]
pub enum CouldNotAudit {
    /// The store.
    #[error(transparent)]
    Books(#[from] ReadError),
    /// The gateway's options.
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    /// The gateway's list.
    #[error(transparent)]
    List(#[from] ListError),
}

/// Holds the books against the gateway's list: all of both, or what was accepted since `since_ms`. Ages are counted to
/// `now_ms`; both are wall clock, milliseconds since 1970. A service that writes to the books meanwhile does no harm.
///
/// Runs on a tokio runtime and blocks its thread while it reads the books.
///
/// # Errors
/// The books or the list cannot be read to their end.
pub async fn compare(
    books: &dyn AuditedBooks,
    gateway: &Options,
    since_ms: Option<i64>,
    now_ms: i64,
) -> Result<AuditReport, CouldNotAudit> {
    let list_from_s = since_ms.map(|ms| ms.div_euclid(1000).saturating_sub(CLOCK_SLACK_S));
    let mut list = IntentList::new(gateway, list_from_s)?;
    let mut audit = since_ms.map_or_else(Audit::new, Audit::since);
    let before = books.totals()?;
    books.each_donation(&mut |recorded| {
        let accepted_ms = recorded.donation.accepted_at_ms;
        if since_ms.is_none_or(|since_ms| accepted_ms >= since_ms) {
            audit.donation(&recorded);
        }
    })?;
    while let Some(page) = list.next_page().await? {
        for charge in &page {
            look_again(books, &mut audit, charge)?;
            audit.charge(charge);
        }
    }
    let sums = BookSums {
        before,
        after: books.totals()?,
        differences: books.day_differences()?,
    };
    let mut report = audit.finish(&sums, now_ms);
    name_recorded_intents(books, &mut report)?;
    Ok(report)
}

fn look_again(
    books: &dyn AuditedBooks,
    audit: &mut Audit,
    charge: &GatewayCharge,
) -> Result<(), ReadError> {
    if let Some(id) = audit.wants(charge)
        && let Some(recorded) = books.donation(id)?
    {
        audit.donation(&recorded);
    }
    Ok(())
}

fn name_recorded_intents(
    books: &dyn AuditedBooks,
    report: &mut AuditReport,
) -> Result<(), ReadError> {
    for finding in &mut report.findings.kept {
        if let Some((id, intent_id)) = finding.recorded_intent()
            && let Some(recorded) = books.donation(id)?
        {
            *intent_id = match (recorded.finish, recorded.pending) {
                (Some(finish), _) => finish.ending.intent_id,
                (None, Some((_, progress))) => progress.intent,
                (None, None) => None,
            };
        }
    }
    Ok(())
}
