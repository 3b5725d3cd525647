//! The answer to a refund: whether the money is on its way back.

use almoner_domain::answer::Answer;
use serde::Deserialize;

use super::wire::Text;
use super::{Expected, Reply, Useless};

/// The code of a 400 that says that nothing of the charge is left to be refunded.
pub(super) const DONE_BEFORE: &str = "charge_already_refunded";

/// The fields of a refund that are read.
#[derive(Deserialize)]
struct WireRefund<'a> {
    #[serde(borrow)]
    object: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    payment_intent: Text<'a>,
    amount: u64,
}

/// A 200 to a refund. One that the gateway is still carrying out counts as made: it is the gateway's from here on.
pub(super) fn read(expected: &Expected<'_>, reply: &Reply) -> Result<Answer, Useless> {
    let refund: WireRefund<'_> = reply.json()?;
    if refund.object.as_str() != "refund" {
        return Err(reply.unreadable("not a refund"));
    }
    let not_ours = |what: &str| Err(Useless::NotOurs(format!("a refund of another {what}")));
    if expected.intent != Some(refund.payment_intent.as_str()) {
        return not_ours("intent than the one that was named");
    }
    if refund.amount > expected.charged.amount {
        return not_ours("amount");
    }
    match refund.status.as_str() {
        "succeeded" | "pending" => Ok(Answer::Refunded),
        status @ ("failed" | "canceled" | "requires_action") => Ok(Answer::OurDefect {
            status: reply.status.as_u16(),
            what: format!("the refund is {status}").into(),
        }),
        _ => Err(reply.unreadable("a status of the refund that is not listed")),
    }
}
