//! In which unit the gateway states amounts: its published table, and the checked way from ISO 4217's minor unit to it.

use almoner_actors::ports::Inexpressible;
use almoner_domain::money::{Currency, Money};

/// The largest `amount` that the gateway takes: "up to eight digits".
/// Source: <https://docs.stripe.com/api/payment_intents/create#create_payment_intent-amount>.
const AMOUNT_MAX: u64 = 99_999_999;

/// How the gateway writes amounts of some currencies.
struct Unit {
    /// The decimal places of its `amount`.
    decimals: u16,
    /// Its `amount` must be a multiple of this.
    step: u64,
    /// The currencies, as ISO 4217 spells them.
    codes: &'static [&'static str],
}

/// Every currency that the gateway charges cards in, by how it writes amounts. A body version stands on this table: a
/// change that alters an amount of a currency already taken is a new body version.
///
/// Source: <https://docs.stripe.com/currencies>, sections "Presentment currencies", "Zero-decimal currencies",
/// "Three-decimal currencies" and "Special cases" (HUF and TWD are special in payouts alone).
const UNITS: [Unit; 4] = [
    Unit {
        decimals: 2,
        step: 1,
        codes: &[
            "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
            "BGN", "BMD", "BND", "BOB", "BRL", "BSD", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF",
            "CNY", "COP", "CRC", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ETB", "EUR", "FJD",
            "FKP", "GBP", "GEL", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR",
            "ILS", "INR", "JMD", "KES", "KGS", "KHR", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD",
            "LSL", "MAD", "MDL", "MKD", "MMK", "MNT", "MOP", "MUR", "MVR", "MWK", "MXN", "MYR",
            "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR",
            "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SEK", "SGD", "SHP", "SLE",
            "SOS", "SRD", "SZL", "THB", "TJS", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "USD",
            "UYU", "UZS", "WST", "XCD", "XCG", "YER", "ZAR", "ZMW",
        ],
    },
    Unit {
        decimals: 0,
        step: 1,
        codes: &[
            "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV",
            "XAF", "XOF", "XPF",
        ],
    },
    // Without decimals since their reforms, but still written with two, which must be 00.
    Unit {
        decimals: 2,
        step: 100,
        codes: &["ISK", "UGX"],
    },
    // The last of the three decimals must be 0.
    Unit {
        decimals: 3,
        step: 10,
        codes: &["BHD", "JOD", "KWD", "OMR", "TND"],
    },
];

/// The gateway's `amount` for this money. It may not be able to express it: a currency that it does not charge in, a
/// fraction that it does not take, more than it takes.
pub(super) fn gateway_amount(money: Money) -> Result<u64, Inexpressible> {
    let unit = unit_of(money.currency()).ok_or(Inexpressible::Currency)?;
    amount_in(unit, money).ok_or(Inexpressible::Amount)
}

fn amount_in(unit: &Unit, money: Money) -> Option<u64> {
    let scaled = money.amount_minor().checked_mul(power(unit.decimals)?)?;
    let iso = power(money.currency().exponent())?;
    let amount = scaled / iso;
    (scaled.is_multiple_of(iso) && amount.is_multiple_of(unit.step) && amount <= AMOUNT_MAX)
        .then_some(amount)
}

/// The inverse: what the gateway's `amount` is in ISO 4217's minor unit; `None` where it has no such currency, or the
/// amount is no whole number of minor units.
#[must_use]
pub fn iso_minor(amount: u64, currency: Currency) -> Option<u64> {
    let unit = unit_of(currency)?;
    let scaled = amount.checked_mul(power(currency.exponent())?)?;
    let gateway = power(unit.decimals)?;
    scaled.is_multiple_of(gateway).then_some(scaled / gateway)
}

fn unit_of(currency: Currency) -> Option<&'static Unit> {
    UNITS
        .iter()
        .find(|unit| unit.codes.contains(&currency.code()))
}

fn power(exponent: u16) -> Option<u64> {
    10u64.checked_pow(exponent.into())
}

#[cfg(test)]
mod tests {
    use almoner_domain::money::AMOUNT_MINOR_MAX;

    use super::*;

    fn check(minor: u64, code: &str, expected: Result<u64, Inexpressible>) {
        let money = Money::new(minor, Currency::from_code(code).unwrap()).unwrap();
        assert_eq!(gateway_amount(money), expected, "{minor} {code}");
    }

    #[test]
    fn amounts_are_stated_in_the_gateways_unit() {
        check(1_250, "EUR", Ok(1_250));
        check(500, "JPY", Ok(500));
        check(1_001, "HUF", Ok(1_001));
        check(5, "ISK", Ok(500));
        check(3_700, "UGX", Ok(370_000));
        check(500, "MGA", Ok(5));
        check(5_120, "KWD", Ok(5_120));
    }

    #[test]
    fn amounts_come_back_as_they_went() {
        for (_, code) in all() {
            let currency = Currency::from_code(code).unwrap();
            for minor in [100, 5_000, 99_900] {
                let money = Money::new(minor, currency).unwrap();
                let amount = gateway_amount(money).unwrap();
                assert_eq!(iso_minor(amount, currency), Some(minor), "{code}");
            }
        }
    }

    #[test]
    fn what_iso_has_no_unit_for_is_none() {
        let check = |amount, code| {
            let currency = Currency::from_code(code).unwrap();
            assert_eq!(iso_minor(amount, currency), None, "{amount} {code}");
        };
        check(150, "ISK"); // 1.50: it has no fraction
        check(100, "IRR"); // no such currency there
        check(u64::MAX, "MGA");
    }

    #[test]
    fn what_the_gateway_cannot_express_is_refused() {
        check(501, "MGA", Err(Inexpressible::Amount)); // it has no fraction there
        check(5_124, "KWD", Err(Inexpressible::Amount)); // the last of three decimals is 0
        check(100, "IRR", Err(Inexpressible::Currency)); // no such currency there
        check(100, "IQD", Err(Inexpressible::Currency));
    }

    #[test]
    fn the_gateway_takes_eight_digits() {
        check(99_999_999, "USD", Ok(99_999_999));
        check(100_000_000, "USD", Err(Inexpressible::Amount));
        check(999_999, "ISK", Ok(99_999_900));
        check(1_000_000, "ISK", Err(Inexpressible::Amount));
        check(AMOUNT_MINOR_MAX, "ISK", Err(Inexpressible::Amount));
        check(AMOUNT_MINOR_MAX, "TND", Err(Inexpressible::Amount));
    }

    #[test]
    fn the_gateway_differs_from_iso_in_three_currencies_alone() {
        let mut differing: Vec<_> = all()
            .filter(|(unit, code)| Currency::from_code(code).unwrap().exponent() != unit.decimals)
            .map(|(_, code)| code)
            .collect();
        differing.sort_unstable();
        assert_eq!(differing, ["ISK", "MGA", "UGX"]);
    }

    #[test]
    fn every_currency_stands_once() {
        let mut codes: Vec<_> = all().map(|(_, code)| code).collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }

    fn all() -> impl Iterator<Item = (&'static Unit, &'static str)> {
        UNITS
            .iter()
            .flat_map(|unit| unit.codes.iter().map(move |code| (unit, *code)))
    }
}
