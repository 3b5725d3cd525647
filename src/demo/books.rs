//! The verdict: what the gateway charged, what the ledger says, what was told.

use almoner_domain::ids::DonationId;
use almoner_domain::money::Currency;
use almoner_loadtest::{Charges, ChargesById, Sums, Verdict, Watch};

use crate::gateway::currency::iso_minor;
use crate::simulator::IntentView;
use crate::store::sqlite::{Books, BooksError};

/// Holds the gateway's intents, the ledger and the outcomes against each other.
///
/// # Errors
/// The store's books cannot be read.
pub fn judge(watch: &Watch, intents: &[IntentView], books: &Books) -> Result<Verdict, BooksError> {
    let mut charges = ChargesById::default();
    let mut gateway_minor = Sums::new();
    let mut strange = Vec::new();
    for intent in intents
        .iter()
        .filter(|intent| intent.is_unreversed_charge())
    {
        let Some((id, currency, amount_minor)) = charged(intent) else {
            strange.push(format!("intent {}: it charged something that is no donation of ours; ask who else uses the account", intent.id));
            continue;
        };
        let entry: &mut Charges = charges.entry(id).or_default();
        entry.count += 1;
        entry.amount_minor += amount_minor;
        *gateway_minor.entry(currency.code().to_owned()).or_default() += i128::from(amount_minor);
    }
    let totals = books.totals()?;
    let sums = |totals: &[crate::store::sqlite::Total]| -> Sums {
        totals
            .iter()
            .map(|total| {
                (
                    total.currency.code().to_owned(),
                    i128::from(total.amount_minor),
                )
            })
            .collect()
    };
    let ledger_minor = sums(&totals.movements);
    if sums(&totals.campaign_days) != ledger_minor {
        strange.push(
            "the campaigns' days do not add up to the movements; run `almoner audit`".to_owned(),
        );
    }
    let mut verdict = watch.verdict(gateway_minor, ledger_minor, charges);
    verdict.ok &= strange.is_empty();
    verdict.findings.extend(strange);
    Ok(verdict)
}

/// Whose charge it is, and how much, in ISO 4217's minor unit.
fn charged(intent: &IntentView) -> Option<(DonationId, Currency, u64)> {
    let id = DonationId::parse(intent.donation_id.as_deref()?)?;
    let currency = Currency::from_code(&intent.currency.to_ascii_uppercase())?;
    let amount = u64::try_from(intent.charged - intent.refunded).ok()?;
    Some((id, currency, iso_minor(amount, currency)?))
}
