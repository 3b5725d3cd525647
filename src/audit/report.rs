//! What an audit says: how much was compared, the sums, what is open, and the findings.

use std::collections::BTreeMap;

use almoner_domain::donation::State;
use almoner_domain::money::{Currency, Money};
use serde::{Serialize, Serializer};

use super::finding::{Finding, Findings};
use super::text;

/// The result of an audit. Serialized it is the JSON object of `almoner audit --json`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditReport {
    /// What was compared began here (wall clock, milliseconds since 1970); everything was where there is none.
    pub since_ms: Option<i64>,
    /// How much was compared.
    pub checked: Checked,
    /// The sums by currency.
    pub totals: BTreeMap<Currency, CurrencyTotals>,
    /// What is not finished: no difference.
    pub open: Open,
    /// What is wrong.
    pub findings: Findings,
}

/// How much was compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Checked {
    /// Donations in the books.
    pub donations: u64,
    /// Intents at the gateway that name a donation.
    pub intents: u64,
    /// Intents at the gateway that do not, and are somebody else's.
    pub intents_of_others: u64,
}

/// The sums of one currency, in ISO 4217's minor unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct CurrencyTotals {
    /// Of the gateway's charges that name a donation, less what was given back.
    pub gateway_minor: i128,
    /// Of the ledger's movements; none where not everything was compared.
    pub ledger_minor: Option<i128>,
    /// Of the campaigns' days; none where not everything was compared.
    pub campaign_days_minor: Option<i128>,
    /// Of the donations that succeeded.
    pub donations_minor: i128,
    /// Of the gateway's charges those whose donations are still open here.
    pub open_charged_minor: i128,
    /// How many donations succeeded.
    pub donations: u64,
    /// How many charges the gateway has.
    pub gateway_charges: u64,
}

/// The donations that are not finished, by what is told of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Open {
    /// How many in all.
    pub count: u64,
    /// Those of each state.
    pub by_state: BTreeMap<State, OpenInState>,
}

/// The open donations of one state.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct OpenInState {
    /// How many.
    pub count: u64,
    /// How long ago the oldest was accepted, in seconds.
    pub oldest_age_s: u64,
    /// Their sums by currency, in ISO 4217's minor unit.
    pub amount_minor: BTreeMap<Currency, i128>,
}

impl AuditReport {
    /// Whether all books agree.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }

    /// The report for a person: a table of the sums, the findings, what is open, and the verdict.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::report(self)
    }
}

impl CurrencyTotals {
    /// The sums, for a sentence.
    pub(super) fn in_words(&self, currency: Currency) -> String {
        let shown = |minor| text::amount(minor, currency);
        let of_books = |minor: Option<i128>| minor.map_or_else(|| "not compared".into(), shown);
        format!(
            "donations {}, ledger {}, campaign days {}, gateway {} (of it still open here {})",
            shown(self.donations_minor),
            of_books(self.ledger_minor),
            of_books(self.campaign_days_minor),
            shown(self.gateway_minor),
            shown(self.open_charged_minor),
        )
    }
}

impl Open {
    /// Those of which it is not known whether money moved.
    #[must_use]
    pub fn unknown(&self) -> OpenInState {
        self.by_state
            .get(&State::Unknown)
            .cloned()
            .unwrap_or_default()
    }

    pub(super) fn add(&mut self, state: State, amount: Money, age_s: u64) {
        self.count += 1;
        let of_state = self.by_state.entry(state).or_default();
        of_state.count += 1;
        of_state.oldest_age_s = of_state.oldest_age_s.max(age_s);
        let sum = of_state.amount_minor.entry(amount.currency()).or_default();
        *sum += i128::from(amount.amount_minor());
    }
}

#[derive(Serialize)]
struct ReportRow<'a> {
    ok: bool,
    since: Option<String>,
    checked: Checked,
    totals: &'a BTreeMap<Currency, CurrencyTotals>,
    open: OpenRow,
    findings: Vec<FindingRow<'a>>,
    findings_left_out: u64,
}

#[derive(Serialize)]
struct OpenRow {
    count: u64,
    accepted: OpenInState,
    held: OpenInState,
    charging: OpenInState,
    retrying: OpenInState,
    unknown: OpenInState,
}

#[derive(Serialize)]
struct FindingRow<'a> {
    kind: &'static str,
    donation_id: Option<String>,
    intent_id: Option<&'a str>,
    detail: String,
    todo: &'static str,
}

impl Serialize for AuditReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = ReportRow {
            ok: self.is_ok(),
            since: self.since_ms.map(text::moment),
            checked: self.checked,
            totals: &self.totals,
            open: self.open.to_row(),
            findings: self.findings.kept.iter().map(Finding::to_row).collect(),
            findings_left_out: self.findings.left_out,
        };
        row.serialize(serializer)
    }
}

impl Open {
    fn to_row(&self) -> OpenRow {
        let of = |state| self.by_state.get(&state).cloned().unwrap_or_default();
        OpenRow {
            count: self.count,
            accepted: of(State::Accepted),
            held: of(State::Held),
            charging: of(State::Charging),
            retrying: of(State::Retrying),
            unknown: of(State::Unknown),
        }
    }
}

impl Finding {
    fn to_row(&self) -> FindingRow<'_> {
        FindingRow {
            kind: self.kind(),
            donation_id: self.donation_id(),
            intent_id: self.intent_id(),
            detail: self.to_string(),
            todo: self.todo(),
        }
    }
}
