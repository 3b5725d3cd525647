//! The bodies of the calls that create and confirm, frozen by version: from the version and the request, which never
//! change, the very bytes are rebuilt for as long as the product lives, since the gateway answers a known key only for
//! the same bytes.

use almoner_actors::ports::Inexpressible;
use almoner_domain::money::Money;
use almoner_domain::request::DonationRequest;

use super::currency::gateway_amount;
use super::form::Form;

/// A version of what is sent: the bodies, and the version of the gateway's API for which they were written. Never
/// change one that was released: add another.
#[derive(Debug)]
pub(super) struct Version {
    /// What is kept with the donation.
    pub number: u16,
    /// The header `Stripe-Version` of every call of the donation.
    pub api_version: &'static str,
    charge: fn(&DonationRequest, Charged) -> String,
    intent: fn(&DonationRequest, Charged) -> String,
    confirm: fn(&DonationRequest) -> String,
    reversal: fn(&DonationRequest, &str) -> String,
}

/// Every version, the newest last.
pub(super) static VERSIONS: [Version; 1] = [Version {
    number: 1,
    api_version: "2025-09-30.clover",
    charge: charge_1,
    intent: intent_1,
    confirm: confirm_1,
    reversal: reversal_1,
}];

/// An amount as the gateway states it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Charged {
    /// In the gateway's unit.
    pub amount: u64,
    /// ISO 4217, upper case; the gateway writes it in lower case.
    pub currency: &'static str,
}

impl Charged {
    /// The money as the gateway states it, where it can.
    pub(super) fn new(money: Money) -> Result<Self, Inexpressible> {
        Ok(Self {
            amount: gateway_amount(money)?,
            currency: money.currency().code(),
        })
    }
}

impl Version {
    /// The version with this number, if this release knows it.
    pub(super) fn numbered(number: u16) -> Option<&'static Self> {
        VERSIONS.iter().find(|version| version.number == number)
    }

    /// The newest version for this version of the gateway's API.
    pub(super) fn speaking(api_version: &str) -> Option<&'static Self> {
        VERSIONS
            .iter()
            .rfind(|version| version.api_version == api_version)
    }

    /// Call 1: create and confirm.
    pub(super) fn charge(&self, request: &DonationRequest, charged: Charged) -> String {
        (self.charge)(request, charged)
    }

    /// Generation 2: create, and do not confirm yet.
    pub(super) fn intent(&self, request: &DonationRequest, charged: Charged) -> String {
        (self.intent)(request, charged)
    }

    /// Confirm a pinned intent. The payment method is named again, since a decline detaches it.
    pub(super) fn confirm(&self, request: &DonationRequest) -> String {
        (self.confirm)(request)
    }

    /// Refund all that an intent charged beside the one that stands. It names no amount: a whole charge is refunded
    /// once, whatever the key still knows.
    pub(super) fn reversal(&self, request: &DonationRequest, intent: &str) -> String {
        (self.reversal)(request, intent)
    }
}

fn reversal_1(request: &DonationRequest, intent: &str) -> String {
    let mut form = Form::new();
    form.add("payment_intent", intent);
    form.add("reason", "duplicate");
    form.add_plain("metadata%5Bdonation_id%5D", request.id);
    form.into_string()
}

fn charge_1(request: &DonationRequest, charged: Charged) -> String {
    let mut form = what_is_paid_1(request, charged);
    form.add("confirm", "true");
    form.add("off_session", "true");
    for_whom_1(request, &mut form);
    form.into_string()
}

fn intent_1(request: &DonationRequest, charged: Charged) -> String {
    let mut form = what_is_paid_1(request, charged);
    for_whom_1(request, &mut form);
    form.into_string()
}

fn confirm_1(request: &DonationRequest) -> String {
    let mut form = Form::new();
    form.add("payment_method", &request.payment_method);
    form.add("off_session", "true");
    form.into_string()
}

fn what_is_paid_1(request: &DonationRequest, charged: Charged) -> Form {
    let mut form = Form::new();
    form.add_plain("amount", charged.amount);
    form.add("currency", &charged.currency.to_ascii_lowercase());
    form.add("payment_method", &request.payment_method);
    form.add("payment_method_types%5B%5D", "card");
    if let Some(customer) = &request.gateway_customer {
        form.add("customer", customer);
    }
    form
}

fn for_whom_1(request: &DonationRequest, form: &mut Form) {
    form.add("transfer_group", request.campaign_id.as_str());
    form.add_plain("metadata%5Bdonation_id%5D", request.id);
    form.add("metadata%5Bcampaign_id%5D", request.campaign_id.as_str());
    form.add("metadata%5Buser_id%5D", request.user_id.as_str());
}

#[cfg(test)]
mod tests {
    use almoner_domain::ids::{CampaignId, DonationId, UserId};
    use almoner_domain::money::Currency;

    use super::*;

    fn request(customer: Option<&str>) -> DonationRequest {
        DonationRequest {
            id: DonationId::parse("018f6b2e-5c1a-7abc-8def-0123456789ab").unwrap(),
            user_id: UserId::parse("user:42.a_b-c").unwrap(),
            campaign_id: CampaignId::parse("campaign:7").unwrap(),
            amount: Money::new(1_250, Currency::from_code("EUR").unwrap()).unwrap(),
            payment_method: "pm_1PabcDEF".into(),
            gateway_customer: customer.map(Into::into),
            information: None,
        }
    }

    fn charged() -> Charged {
        Charged::new(request(None).amount).unwrap()
    }

    // These bytes were sent under keys that may still live: they never change.
    const CHARGE_1: &str = "amount=1250&currency=eur&payment_method=pm_1PabcDEF\
        &payment_method_types%5B%5D=card&customer=cus_9\
        &confirm=true&off_session=true&transfer_group=campaign%3A7\
        &metadata%5Bdonation_id%5D=018f6b2e-5c1a-7abc-8def-0123456789ab\
        &metadata%5Bcampaign_id%5D=campaign%3A7&metadata%5Buser_id%5D=user%3A42.a_b-c";
    const CHARGE_1_WITHOUT_CUSTOMER: &str = "amount=1250&currency=eur&payment_method=pm_1PabcDEF\
        &payment_method_types%5B%5D=card\
        &confirm=true&off_session=true&transfer_group=campaign%3A7\
        &metadata%5Bdonation_id%5D=018f6b2e-5c1a-7abc-8def-0123456789ab\
        &metadata%5Bcampaign_id%5D=campaign%3A7&metadata%5Buser_id%5D=user%3A42.a_b-c";
    const INTENT_1: &str = "amount=1250&currency=eur&payment_method=pm_1PabcDEF\
        &payment_method_types%5B%5D=card&customer=cus_9&transfer_group=campaign%3A7\
        &metadata%5Bdonation_id%5D=018f6b2e-5c1a-7abc-8def-0123456789ab\
        &metadata%5Bcampaign_id%5D=campaign%3A7&metadata%5Buser_id%5D=user%3A42.a_b-c";
    const CONFIRM_1: &str = "payment_method=pm_1PabcDEF&off_session=true";
    const REVERSAL_1: &str = "payment_intent=pi_1&reason=duplicate\
        &metadata%5Bdonation_id%5D=018f6b2e-5c1a-7abc-8def-0123456789ab";

    #[test]
    fn version_1_is_these_bytes_for_ever() {
        let version = Version::numbered(1).unwrap();
        assert_eq!(version.api_version, "2025-09-30.clover");
        assert_eq!(version.charge(&request(Some("cus_9")), charged()), CHARGE_1);
        assert_eq!(
            version.charge(&request(None), charged()),
            CHARGE_1_WITHOUT_CUSTOMER
        );
        assert_eq!(version.intent(&request(Some("cus_9")), charged()), INTENT_1);
        assert_eq!(version.confirm(&request(Some("cus_9"))), CONFIRM_1);
        assert_eq!(version.reversal(&request(None), "pi_1"), REVERSAL_1);
    }

    #[test]
    fn what_is_information_only_never_changes_the_bytes() {
        let mut told = request(Some("cus_9"));
        told.information = Some(Box::default());
        let version = Version::numbered(1).unwrap();
        assert_eq!(version.charge(&told, charged()), CHARGE_1);
    }

    #[test]
    fn numbers_are_unique_and_grow() {
        assert!(VERSIONS.is_sorted_by(|a, b| a.number < b.number));
        assert!(Version::numbered(0).is_none());
        assert!(Version::speaking("2012-02-23").is_none());
    }
}
