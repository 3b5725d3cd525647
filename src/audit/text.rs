//! The report for a person.

use std::fmt::Write;

use almoner_domain::donation::State;
use almoner_domain::money::Currency;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};

use super::finding::Finding;
use super::report::{AuditReport, CurrencyTotals, Open, OpenInState};

/// The whole report.
pub(super) fn report(report: &AuditReport) -> String {
    let mut text = String::new();
    let checked = report.checked;
    let since = match report.since_ms {
        Some(since_ms) => format!(" accepted since {}", moment(since_ms)),
        None => String::new(),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "compared {} donations{since} with {} intents of the gateway ({} of its intents name no donation)\n",
        checked.donations, checked.intents, checked.intents_of_others,
    );
    if !report.totals.is_empty() {
        let _ = writeln!(text, "{}\n", sums(report).trim_fmt());
    }
    for finding in &report.findings.kept {
        let _ = writeln!(text, "{}", paragraph(finding));
    }
    if report.findings.left_out > 0 {
        let _ = writeln!(text, "… and {} more\n", report.findings.left_out);
    }
    let _ = writeln!(text, "{}", open(&report.open));
    let _ = writeln!(text, "{}", verdict(report));
    text
}

fn verdict(report: &AuditReport) -> String {
    match report.findings.count() {
        0 => "equal: every donation, movement, campaign day and charge agrees".to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    }
}

fn sums(report: &AuditReport) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header([
        "",
        "donations succeeded",
        "ledger",
        "campaign days",
        "gateway",
        "of it open here",
    ]);
    for (currency, totals) in &report.totals {
        table.add_row(row(*currency, totals));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(currency: Currency, totals: &CurrencyTotals) -> [String; 6] {
    let shown = |minor| amount(minor, currency);
    let of_books = |minor: Option<i128>| minor.map_or_else(|| "–".to_owned(), shown);
    [
        currency.code().to_owned(),
        format!("{} ({})", shown(totals.donations_minor), totals.donations),
        of_books(totals.ledger_minor),
        of_books(totals.campaign_days_minor),
        format!(
            "{} ({})",
            shown(totals.gateway_minor),
            totals.gateway_charges
        ),
        shown(totals.open_charged_minor),
    ]
}

fn paragraph(finding: &Finding) -> String {
    let mut text = finding.kind().to_owned();
    if let Some(donation_id) = finding.donation_id() {
        let _ = write!(text, "  donation {donation_id}");
    }
    if let Some(intent_id) = finding.intent_id() {
        let _ = write!(text, "  intent {intent_id}");
    }
    let _ = write!(text, "\n  {finding}\n  → {}\n", finding.todo());
    text
}

fn open(open: &Open) -> String {
    if open.count == 0 {
        return "open: none".to_owned();
    }
    let mut text = format!("open: {}, which is no difference", open.count);
    for (state, of_state) in &open.by_state {
        let meaning = match state {
            State::Accepted => "waiting for its turn",
            State::Held => "waiting for its user's answer",
            State::Charging => "on its way",
            State::Retrying => "to be tried again",
            _ => "money may have moved; the gateway is asked until it is known",
        };
        let _ = write!(
            text,
            "\n  {}: {} ({meaning})",
            state.as_str(),
            in_state(of_state)
        );
    }
    text
}

fn in_state(of_state: &OpenInState) -> String {
    let amounts: Vec<_> = of_state
        .amount_minor
        .iter()
        .map(|(currency, minor)| format!("{} {currency}", amount(*minor, *currency)))
        .collect();
    format!(
        "{}, {}, the oldest {} s",
        of_state.count,
        amounts.join(" + "),
        of_state.oldest_age_s
    )
}

/// A sum as a person writes it, without its currency: `12.50`, `500`, `-0.05`.
pub(super) fn amount(minor: i128, currency: Currency) -> String {
    let decimals = usize::from(currency.exponent());
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let sign = if minor < 0 { "-" } else { "" };
    let point = if decimals > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{part}")
}

/// A moment as RFC 3339 has it, in UTC.
pub(super) fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |it| it.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_have_their_currencys_decimals() {
        for (minor, code, expected) in [
            (1_250, "EUR", "12.50"),
            (5, "EUR", "0.05"),
            (-5, "EUR", "-0.05"),
            (500, "JPY", "500"),
            (1_005, "KWD", "1.005"),
            (0, "EUR", "0.00"),
        ] {
            assert_eq!(
                amount(minor, Currency::from_code(code).unwrap()),
                expected,
                "{code}"
            );
        }
    }
}
