//! A payment intent in JSON, written by hand: every answer has one, with three dozen fields of which a few differ.

use std::fmt::{Display, Write};

use serde_json::value::RawValue;

use super::{card_error, charge};
use crate::simulator::event::{CancelReason, push_text};
use crate::simulator::ids::{ChargeId, IntentId};
use crate::simulator::intents::{Intent, Status, Version};
use crate::simulator::mix;
use crate::simulator::render::json_text;

/// The intent in one of its versions; with `expand`, `latest_charge` is the whole charge.
pub(crate) fn written(of: &Intent, version: u16, expand: bool) -> String {
    let (at, terms) = (of.at(version), &*of.terms);
    let currency = terms.currency;
    let is_succeeded = at.status == Status::Succeeded;
    let mut json = Json(String::with_capacity(2048));
    json.shown(r#"{"id":""#, of.id);
    json.shown(r#"","object":"payment_intent","amount":"#, terms.amount);
    json.raw(r#","amount_capturable":0,"amount_details":{"tip":{}},"#);
    json.shown(
        r#""amount_received":"#,
        if is_succeeded { terms.amount } else { 0 },
    );
    json.raw(
        r#","application":null,"application_fee_amount":null,"automatic_payment_methods":null"#,
    );
    json.maybe(
        r#","canceled_at":"#,
        at.canceled.map(|(at_ms, _)| at_ms / 1000),
    );
    json.text(
        r#","cancellation_reason":"#,
        at.canceled.and_then(|(_, why)| reason_of(why)),
    );
    json.shown(
        r#","capture_method":"automatic","client_secret":""#,
        ClientSecret(of.id),
    );
    json.shown(
        r#"","confirmation_method":"automatic","created":"#,
        terms.created_ms / 1000,
    );
    json.text(r#","currency":"#, Some(currency.as_str()));
    json.text(r#","customer":"#, terms.customer.as_deref());
    json.text(r#","description":"#, terms.description.as_deref());
    let error = at.decline.and_then(|decline| card_error(of, at, decline));
    json.maybe(
        r#","last_payment_error":"#,
        error.map(|error| json_text(&error)),
    );
    json.raw(r#","latest_charge":"#);
    json.latest_charge(of, at, expand);
    json.shown(r#","livemode":false,"metadata":"#, terms.metadata.json());
    json.raw(match at.status {
        Status::RequiresAction => r#","next_action":{"type":"use_stripe_sdk","use_stripe_sdk":{}}"#,
        _ => r#","next_action":null"#,
    });
    json.text(
        r#","on_behalf_of":null,"payment_method":"#,
        at.method.as_deref(),
    );
    json.raw(concat!(
        r#","payment_method_options":{"card":{"installments":null,"mandate_options":null,"network":null,"#,
        r#""request_three_d_secure":"automatic"}},"payment_method_types":["card"],"processing":null"#,
    ));
    json.text(r#","receipt_email":"#, terms.receipt_email.as_deref());
    json.raw(concat!(
        r#","review":null,"setup_future_usage":null,"shipping":null,"statement_descriptor":null,"#,
        r#""statement_descriptor_suffix":null"#,
    ));
    json.text(r#","status":"#, Some(at.status.as_str()));
    json.text(
        r#","transfer_data":null,"transfer_group":"#,
        terms.transfer_group.as_deref(),
    );
    json.raw("}");
    json.0
}

/// The intent as a part of another object.
pub(crate) fn embedded(of: &Intent, version: u16) -> Option<Box<RawValue>> {
    RawValue::from_string(written(of, version, false)).ok()
}

/// JSON as it grows. What stands before a value is given as it is, its comma and its name included.
struct Json(String);

impl Json {
    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// A value that, shown, is JSON, or stands between quotes that are given.
    fn shown(&mut self, before: &str, value: impl Display) {
        self.raw(before);
        let _ = write!(self.0, "{value}"); // writing to a string cannot fail
    }

    /// A value that, shown, is JSON, or null.
    fn maybe(&mut self, before: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.shown(before, value),
            None => self.null(before),
        }
    }

    /// Any text, or null.
    fn text(&mut self, before: &str, text: Option<&str>) {
        match text {
            Some(text) => {
                self.raw(before);
                push_text(&mut self.0, text);
            }
            None => self.null(before),
        }
    }

    fn null(&mut self, before: &str) {
        self.raw(before);
        self.raw("null");
    }

    fn latest_charge(&mut self, of: &Intent, at: &Version, expand: bool) {
        let Some(nth) = at.charges.checked_sub(1) else {
            return self.raw("null");
        };
        if expand {
            let whole = charge(of, at, nth).map(|it| json_text(&it));
            self.maybe("", whole);
        } else {
            self.shown("\"", ChargeId { intent: of.id, nth });
            self.raw("\"");
        }
    }
}

struct ClientSecret(IntentId);

impl Display for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let IntentId { tag, n } = self.0;
        write!(
            f,
            "{}_secret_{:016x}",
            self.0,
            mix::mix(u64::from(tag) << 32 ^ n)
        )
    }
}

fn reason_of(reason: CancelReason) -> Option<&'static str> {
    match reason {
        CancelReason::Unnamed => None,
        CancelReason::Duplicate => Some("duplicate"),
        CancelReason::Fraudulent => Some("fraudulent"),
        CancelReason::RequestedByCustomer => Some("requested_by_customer"),
        CancelReason::Abandoned => Some("abandoned"),
        CancelReason::Automatic => Some("automatic"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::simulator::currency::Currency;
    use crate::simulator::event::{Metadata, Terms};
    use crate::simulator::intents::Confirm;

    const INTENT: &str = concat!(
        r#"{"id":"pi_3000000a1000000000042","object":"payment_intent","amount":1250,"amount_capturable":0,"#,
        r#""amount_details":{"tip":{}},"amount_received":1250,"application":null,"application_fee_amount":null,"#,
        r#""automatic_payment_methods":null,"canceled_at":null,"cancellation_reason":null,"#,
        r#""capture_method":"automatic","client_secret":"SECRET","confirmation_method":"automatic","#,
        r#""created":1790000000,"currency":"eur","customer":null,"description":"say \"é\"\n","#,
        r#""last_payment_error":null,"latest_charge":"ch_3000000a100000000004200","livemode":false,"#,
        r#""metadata":{"donation_id":"d-1"},"next_action":null,"on_behalf_of":null,"payment_method":"pm_1","#,
        r#""payment_method_options":{"card":{"installments":null,"mandate_options":null,"network":null,"#,
        r#""request_three_d_secure":"automatic"}},"payment_method_types":["card"],"processing":null,"#,
        r#""receipt_email":null,"review":null,"setup_future_usage":null,"shipping":null,"#,
        r#""statement_descriptor":null,"statement_descriptor_suffix":null,"status":"succeeded","#,
        r#""transfer_data":null,"transfer_group":"campaign_1"}"#,
    );

    /// An intent that was confirmed with this method, in its last version.
    fn confirmed(method: &str) -> Intent {
        let terms = Terms {
            created_ms: 1_790_000_000_500,
            amount: 1_250,
            currency: Currency::read("eur").unwrap(),
            payment_method: Some(method.into()),
            customer: None,
            transfer_group: Some("campaign_1".into()),
            description: Some("say \"é\"\n".into()),
            receipt_email: None,
            metadata: Metadata::new([("donation_id", "d-1")].into_iter()),
        };
        let id = IntentId { tag: 0xa1, n: 42 };
        let mut intent = Intent::new(id, Arc::new(terms), None);
        let confirm = Confirm {
            method: None,
            off_session: true,
            error_on_action: false,
        };
        for event in intent.confirm(&confirm, 1_790_000_000_500, 10).unwrap() {
            intent.apply(&event, 1_790_000_000_500);
        }
        intent
    }

    #[test]
    fn an_intent_is_these_bytes() {
        let of = confirmed("pm_1");
        let secret = ClientSecret(of.id).to_string();
        let expected = INTENT.replace("SECRET", &secret);
        assert_eq!(written(&of, of.version(), false), expected);
    }

    fn check(method: &str, expand: bool, place: &str, expected: &Value) {
        let of = confirmed(method);
        let written: Value = serde_json::from_str(&written(&of, of.version(), expand)).unwrap();
        assert_eq!(written.pointer(place), Some(expected), "{method} {place}");
    }

    #[test]
    fn what_differs_is_json_too() {
        check("pm_1", true, "/latest_charge/object", &json!("charge"));
        check("pm_1", true, "/latest_charge/paid", &json!(true));
        check(
            "pm_card_chargeDeclined",
            false,
            "/payment_method",
            &Value::Null,
        );
        let code = json!("card_declined");
        check(
            "pm_card_chargeDeclined",
            false,
            "/last_payment_error/code",
            &code,
        );
        check(
            "pm_action_1",
            false,
            "/next_action/type",
            &json!("use_stripe_sdk"),
        );
        check("pm_action_1", false, "/latest_charge", &Value::Null);
    }
}
