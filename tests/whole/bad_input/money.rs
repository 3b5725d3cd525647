//! Amounts, currencies and campaigns.

use super::{Fate, Table, failed, rejected};

const HINT: &str =
    "send the amount in the currency's minor unit, more than 0 and at most 9007199254740991";

pub fn rows(table: &mut Table) {
    amounts(table);
    currencies(table);
    campaigns(table);
}

fn amounts(table: &mut Table) {
    let wrong = |what: &str| rejected("amount_minor", &format!("amount_minor {what}; {HINT}"));
    table.field("nothing", |it| it.uint("amount_minor", 0), wrong("is 0"));
    for (name, amount) in [("minus one", -1), ("the least integer", i64::MIN)] {
        table.field(
            name,
            |it| it.int("amount_minor", amount),
            wrong("is negative"),
        );
    }
    for (name, amount) in [
        ("more than a double holds", 1 << 53),
        ("the largest integer with a sign", i64::MAX as u64),
        ("the largest integer", u64::MAX),
    ] {
        table.field(
            name,
            |it| it.uint("amount_minor", amount),
            wrong("is too much"),
        );
    }
    for (name, double) in [
        ("a fraction", 12.5_f64),
        ("a whole float", 1250.0),
        ("not a number", f64::NAN),
        ("infinitely much", f64::INFINITY),
    ] {
        table.field(
            name,
            |it| {
                it.raw(
                    "amount_minor",
                    &[&[0xcb][..], &double.to_be_bytes()].concat(),
                )
            },
            wrong("is a float; send an integer"),
        );
    }
    table.field(
        "an amount as text",
        |it| it.text("amount_minor", "1250"),
        wrong("is text; send an integer"),
    );
    let bounds = "The amount is less or more than can be given here. Nothing was charged; try another amount.";
    for (name, amount) in [
        ("less than the gateway takes", 1),
        (
            "as much as may be asked for, and more than the gateway takes",
            (1 << 53) - 1,
        ),
    ] {
        let fate = failed("amount_out_of_bounds", bounds);
        table.field(name, |it| it.uint("amount_minor", amount), fate);
    }
    for (name, amount, fate) in [
        (
            "less than the campaign takes",
            499,
            failed("amount_out_of_bounds", bounds),
        ),
        ("as little as it takes", 500, Fate::Succeeded),
        ("as much as it takes", 1_000, Fate::Succeeded),
        (
            "more than it takes",
            1_001,
            failed("amount_out_of_bounds", bounds),
        ),
    ] {
        let spoil = |it: crate::support::Fields| {
            it.text("campaign_id", "campaign-bounded")
                .uint("amount_minor", amount)
        };
        table.field(name, spoil, fate);
    }
}

fn currencies(table: &mut Table) {
    let unknown =
        "currency is not a currency of ISO 4217 with a minor unit; send its code, like EUR";
    for code in ["QQQ", "EURO", "", "€", "XXX", "XAU"] {
        table.field(
            "no currency",
            |it| it.text("currency", code),
            rejected("currency", unknown),
        );
    }
    for code in ["eur", "Eur"] {
        table.field(
            "a currency in lower case",
            |it| it.text("currency", code),
            rejected("currency", "currency is not in upper case; send EUR"),
        );
    }
    table.field(
        "a currency that is not the campaign's",
        |it| it.text("currency", "USD"),
        failed(
            "currency_mismatch",
            "The campaign takes no donations in this currency. Nothing was charged.",
        ),
    );
}

fn campaigns(table: &mut Table) {
    table.field(
        "a campaign that nobody knows",
        |it| it.text("campaign_id", "campaign-9"),
        failed(
            "campaign_not_found",
            "The campaign is not known. Nothing was charged.",
        ),
    );
    for (name, campaign) in [
        ("a closed campaign", "campaign-closed"),
        ("a campaign that was deleted", "campaign-gone"),
    ] {
        table.field(
            name,
            |it| it.text("campaign_id", campaign),
            failed(
                "campaign_closed",
                "The campaign takes no donations. Nothing was charged.",
            ),
        );
    }
}
