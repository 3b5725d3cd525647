//! What happened, for a person and for a machine.

use std::collections::BTreeMap;

use almoner_domain::money::{Currency, Money};
use almoner_loadtest::{LatencyMs, Summary, Sums, Verdict};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// What came of it all: the object of `--json`.
#[derive(Serialize)]
pub struct Outcome {
    /// Requests that were published.
    pub requests: u64,
    /// Donations and refused requests by their fate.
    pub fates: BTreeMap<&'static str, u64>,
    /// From the first request to the last fate.
    pub elapsed_s: f64,
    /// Requests with their fate, a second.
    pub rate_per_s: f64,
    /// From being published to the end.
    pub latency_ms: LatencyMs,
    /// Whether the money is right.
    pub verdict: Verdict,
}

/// The tables: what was asked, what became of it, and the money.
#[must_use]
pub fn table(summary: &Summary, faults: &[(&'static str, u64)], outcome: &Outcome) -> String {
    let sent = &summary.sent;
    let mut asked = Rows::new("what was asked");
    asked.add("new donations", sent.firsts);
    asked.add("the same request again (client retries)", sent.repeats);
    asked.add(
        "double clicks (a new id within seconds)",
        sent.double_clicks,
    );
    asked.add(
        "requests that cannot be done, nonsense among them",
        sent.bad,
    );
    asked.add(
        "yes to \"do you really want to give twice?\"",
        sent.confirms,
    );
    asked.add("no to it", sent.cancels);

    let mut became = Rows::new("what became of it");
    for (fate, count) in &summary.fates {
        became.add(&fate.replace('_', " "), *count);
    }
    for (reason, count) in &summary.reasons {
        became.add(&format!("  {}", reason.replace('_', " ")), *count);
    }
    became.add(
        "repeats answered with the first one's fate",
        summary.repeats_answered,
    );
    became.add("users asked about a suspected double", summary.held.asked);
    for (reason, count) in &summary.dead_letters {
        became.add(&format!("dead letters: {reason}"), *count);
    }

    let mut went_wrong = Rows::new("what went wrong at the gateway, on purpose");
    for (fault, count) in faults.iter().filter(|(_, count)| *count > 0) {
        went_wrong.add(&fault.replace('_', " "), *count);
    }
    format!(
        "{asked}\n{became}\n{went_wrong}\n{}",
        money(&outcome.verdict)
    )
}

struct Rows(Table);

impl Rows {
    fn new(title: &str) -> Self {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_BORDERS_ONLY)
            .set_header([title, ""]);
        Self(table)
    }

    fn add(&mut self, what: &str, count: u64) {
        self.0.add_row([what.to_owned(), count.to_string()]);
    }
}

impl std::fmt::Display for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = self.0.clone();
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if table.row_count() == 0 {
            table.add_row(["nothing", ""]);
        }
        table.fmt(f)
    }
}

/// The three books side by side.
fn money(verdict: &Verdict) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header([
        "the money",
        "gateway",
        "ledger",
        "outcomes",
    ]);
    for code in verdict
        .gateway_minor
        .keys()
        .chain(verdict.ledger_minor.keys())
        .collect::<std::collections::BTreeSet<_>>()
    {
        let cell = |sums: &Sums| amount(sums.get(code).copied().unwrap_or(0), code);
        table.add_row([
            code.clone(),
            cell(&verdict.gateway_minor),
            cell(&verdict.ledger_minor),
            cell(&verdict.outcomes_minor),
        ]);
    }
    for column in 1..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn amount(minor: i128, code: &str) -> String {
    let money = Currency::from_code(code)
        .zip(u64::try_from(minor).ok())
        .and_then(|(currency, minor)| Money::new(minor, currency));
    money.map_or_else(
        || minor.to_string(),
        |money| {
            money
                .to_string()
                .trim_end_matches(code)
                .trim_end()
                .to_owned()
        },
    )
}
