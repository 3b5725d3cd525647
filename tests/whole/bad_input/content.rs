//! The same id again: with the same content it is answered as it was, with another content it is refused, field by field.

use super::{Fate, Table, failed, user_in};
use crate::support::{Fields, PARTITIONS};

/// What was asked first.
pub struct Originals {
    charged: Fields,
    declined: Fields,
}

pub fn first_rows(table: &mut Table) -> Originals {
    let with_customer = |fields: Fields| fields.text("gateway_customer", "cus_1");
    let charged = with_customer(Fields::donate(table.number(), &table.user()));
    table.post("an original", charged.post(), Fate::Succeeded);
    table.post("the same at once", charged.post(), Fate::Succeeded);
    let declined = Fields::donate(table.number(), &table.user());
    let declined = declined.text("payment_method", "pm_card_chargeDeclined");
    table.post(
        "an original that is declined",
        declined.post(),
        declined_fate(),
    );
    Originals { charged, declined }
}

fn declined_fate() -> Fate {
    failed(
        "card_declined",
        "The card was declined (generic_decline). Nothing was charged; try again with another card.",
    )
}

pub fn rows(table: &mut Table, originals: &Originals) {
    let Originals { charged, declined } = originals;
    table.post("the same again", charged.post(), Fate::Succeeded);
    table.post(
        "the same but for what is information",
        charged.clone().text("message", "have you got it?").post(),
        Fate::Succeeded,
    );
    table.post("a declined one again", declined.post(), declined_fate());
    table.post(
        "a declined one with another card",
        declined
            .clone()
            .text("payment_method", "pm_card_visa")
            .post(),
        reused("payment_method"),
    );
    for partition in 0..PARTITIONS {
        let user = user_in(partition, "thief");
        let post = charged.clone().text("user_id", &user).post();
        table.post("the same id by another user", post, reused("user_id"));
    }
    let others = [
        (
            "campaign_id",
            charged.clone().text("campaign_id", "campaign-bounded"),
        ),
        (
            "campaign_id",
            charged.clone().text("campaign_id", "campaign-9"),
        ),
        ("amount_minor", charged.clone().uint("amount_minor", 1)),
        ("currency", charged.clone().text("currency", "USD")),
        ("currency", charged.clone().text("currency", "IRR")),
        (
            "payment_method",
            charged.clone().text("payment_method", "pm_other"),
        ),
        (
            "gateway_customer",
            charged.clone().text("gateway_customer", "cus_2"),
        ),
        (
            "gateway_customer",
            charged.clone().without("gateway_customer"),
        ),
        (
            "amount_minor",
            charged.clone().uint("amount_minor", (1 << 53) - 1),
        ),
    ];
    for (field, fields) in others {
        table.post(
            "the same id with other content",
            fields.post(),
            reused(field),
        );
    }
    let unreadable = charged.clone().uint("amount_minor", 0).post();
    let hint =
        "send the amount in the currency's minor unit, more than 0 and at most 9007199254740991";
    let fate = super::rejected("amount_minor", &format!("amount_minor is 0; {hint}"));
    table.post("the same id with nonsense", unreadable, fate);
}

fn reused(field: &'static str) -> Fate {
    let sentence = format!(
        "this id was used for another donation: {field} differs; a retry repeats the request unchanged, a new donation \
         needs a new id"
    );
    Fate::Rejected("id_reused", Some(field), sentence)
}
