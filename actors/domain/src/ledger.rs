//! The books: what the finish of a charge is in double entry, and sums that never wrap.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::CampaignId;
use crate::money::{Currency, Money};
use crate::request::DonationRequest;

/// One movement of money between two accounts. Both entries are in the one record, so it balances by construction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Movement {
    /// The account that has more afterwards (an asset) or owes less.
    pub debit: Account,
    /// The account that owes more afterwards, or has less.
    pub credit: Account,
    /// How much.
    pub amount: Money,
    /// The UTC day of the gateway's `created`, whoever records it and whenever.
    pub day: Day,
}

impl Movement {
    /// A charge: the gateway holds the user's money for us, and we owe it to the campaign. `created_s` is the
    /// intent's, in seconds since 1970.
    #[must_use]
    pub fn charge(request: &DonationRequest, created_s: i64) -> Self {
        Self {
            debit: Account::GatewayClearing,
            credit: Account::Campaign(request.campaign_id.clone()),
            amount: request.amount,
            day: Day::of(created_s),
        }
    }

    /// The two entries in minor units, debit positive and credit negative: their sum is zero.
    #[must_use]
    pub fn entries(&self) -> [(&Account, i64); 2] {
        let amount_minor = self.amount.amount_minor().cast_signed();
        [(&self.debit, amount_minor), (&self.credit, -amount_minor)]
    }
}

/// An account of the books.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Account {
    /// `gateway_clearing`: what the gateway took from users and has not paid out.
    GatewayClearing,
    /// `campaign:{id}`: what is owed to a campaign.
    Campaign(CampaignId),
}

impl Account {
    /// The account of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix(CAMPAIGN_PREFIX) {
            Some(id) => CampaignId::parse(id).map(Self::Campaign),
            None => (name == GATEWAY_CLEARING).then_some(Self::GatewayClearing),
        }
    }
}

const GATEWAY_CLEARING: &str = "gateway_clearing";
const CAMPAIGN_PREFIX: &str = "campaign:";

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GatewayClearing => f.write_str(GATEWAY_CLEARING),
            Self::Campaign(id) => write!(f, "{CAMPAIGN_PREFIX}{id}"),
        }
    }
}

/// A UTC day: days since 1 January 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Day(pub i32);

impl Day {
    /// The day of a moment in seconds since 1970. A moment that no calendar has is put on the first or the last day
    /// there is: a charge must be recorded whatever the gateway calls its time.
    #[must_use]
    pub fn of(seconds: i64) -> Self {
        const SECONDS: i64 = 24 * 60 * 60;
        let days = seconds.div_euclid(SECONDS);
        let nearest = if days < 0 { i32::MIN } else { i32::MAX };
        Self(i32::try_from(days).unwrap_or(nearest))
    }
}

/// Sums of money, one for each currency. They never wrap and never mix.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    sums_minor: BTreeMap<Currency, u64>,
}

/// A sum does not fit, or would be less than nothing; the totals are as they were.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the total in {currency} leaves 0 to 2^64 − 1 minor units; audit the books before going on"
)]
pub struct OutOfRange {
    /// The currency of that sum.
    pub currency: Currency,
}

impl Totals {
    /// Adds an amount.
    ///
    /// # Errors
    /// The sum does not fit.
    pub fn add(&mut self, amount: Money) -> Result<(), OutOfRange> {
        self.change(amount.currency(), |sum| {
            sum.checked_add(amount.amount_minor())
        })
    }

    /// Takes an amount away.
    ///
    /// # Errors
    /// The sum would be negative.
    pub fn subtract(&mut self, amount: Money) -> Result<(), OutOfRange> {
        self.change(amount.currency(), |sum| {
            sum.checked_sub(amount.amount_minor())
        })
    }

    /// Adds a sum of minor units, as a store gives it.
    ///
    /// # Errors
    /// The sum does not fit.
    pub fn add_minor(&mut self, currency: Currency, sum_minor: u64) -> Result<(), OutOfRange> {
        self.change(currency, |sum| sum.checked_add(sum_minor))
    }

    /// The sum in minor units.
    #[must_use]
    pub fn sum_minor(&self, currency: Currency) -> u64 {
        self.sums_minor.get(&currency).copied().unwrap_or(0)
    }

    /// Every sum that is not zero, by currency code.
    pub fn iter(&self) -> impl Iterator<Item = (Currency, u64)> + '_ {
        self.sums_minor
            .iter()
            .map(|(currency, sum)| (*currency, *sum))
    }

    /// A sum of zero is not kept, so that equal totals are equal.
    fn change(
        &mut self,
        currency: Currency,
        change: impl FnOnce(u64) -> Option<u64>,
    ) -> Result<(), OutOfRange> {
        let sum = change(self.sum_minor(currency)).ok_or(OutOfRange { currency })?;
        if sum == 0 {
            self.sums_minor.remove(&currency);
        } else {
            self.sums_minor.insert(currency, sum);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{DonationId, UserId};
    use crate::money::AMOUNT_MINOR_MAX;

    fn money(amount_minor: u64, currency: &str) -> Money {
        Money::new(amount_minor, Currency::from_code(currency).unwrap()).unwrap()
    }

    fn movement(amount: Money, created_s: i64) -> Movement {
        let request = DonationRequest {
            id: DonationId([1; 16]),
            user_id: UserId::parse("u-1").unwrap(),
            campaign_id: CampaignId::parse("c-1").unwrap(),
            amount,
            payment_method: "pm_1".into(),
            gateway_customer: None,
            information: None,
        };
        Movement::charge(&request, created_s)
    }

    #[test]
    fn a_charge_is_owed_to_the_campaign() {
        let charge = movement(money(1250, "EUR"), 1_790_000_000);
        assert_eq!(charge.debit.to_string(), "gateway_clearing");
        assert_eq!(charge.credit.to_string(), "campaign:c-1");
        for account in [charge.debit, charge.credit] {
            assert_eq!(Account::parse(&account.to_string()), Some(account));
        }
        for name in ["", "campaign", "campaign:", "campaign:a b", "gateway"] {
            assert_eq!(Account::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_day_is_the_utc_day() {
        for (seconds, expected) in [
            (0, 0),
            (86_399, 0),
            (86_400, 1),
            (-1, -1),
            (1_790_000_000, 20_717),
            (i64::MAX, i32::MAX),
            (i64::MIN, i32::MIN),
        ] {
            assert_eq!(Day::of(seconds), Day(expected), "{seconds}");
        }
    }

    #[test]
    fn sums_that_do_not_fit_are_errors_and_change_nothing() {
        let eur = Currency::from_code("EUR").unwrap();
        let mut totals = Totals::default();
        totals.add_minor(eur, u64::MAX).unwrap();
        assert_eq!(
            totals.add(money(1, "EUR")),
            Err(OutOfRange { currency: eur })
        );
        assert_eq!(totals.sum_minor(eur), u64::MAX);
        let mut totals = Totals::default();
        assert_eq!(
            totals.subtract(money(1, "EUR")),
            Err(OutOfRange { currency: eur })
        );
        assert_eq!(totals, Totals::default());
    }

    proptest! {
        #[test]
        fn entries_sum_to_zero(amount in 1..=AMOUNT_MINOR_MAX, created_s: i64) {
            let movement = movement(money(amount, "EUR"), created_s);
            let [(debit, plus), (credit, minus)] = movement.entries();
            prop_assert_ne!(debit, credit);
            prop_assert_eq!(plus + minus, 0);
            prop_assert_eq!(plus.unsigned_abs(), amount);
        }

        #[test]
        fn totals_are_the_sums_and_mix_nothing(
            amounts in proptest::collection::vec((1..=AMOUNT_MINOR_MAX, proptest::sample::select(vec!["EUR", "JPY", "KWD"])), 0..50),
        ) {
            let mut totals = Totals::default();
            for (amount, currency) in &amounts {
                totals.add(money(*amount, currency)).unwrap();
            }
            for currency in ["EUR", "JPY", "KWD"] {
                let expected: u128 = amounts.iter().filter(|(_, of)| *of == currency).map(|(amount, _)| u128::from(*amount)).sum();
                prop_assert_eq!(u128::from(totals.sum_minor(Currency::from_code(currency).unwrap())), expected);
            }
            for (amount, currency) in &amounts {
                totals.subtract(money(*amount, currency)).unwrap();
            }
            prop_assert_eq!(totals, Totals::default());
        }
    }
}
