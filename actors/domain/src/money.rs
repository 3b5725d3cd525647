//! Money: an integer in minor units with an ISO 4217 currency. Arithmetic is checked; there are no floats.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest amount that every client language can hold exactly: 2^53 − 1 minor units.
pub const AMOUNT_MINOR_MAX: u64 = (1 << 53) - 1;

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The currency with this upper-case code, if ISO 4217 has it and gives it a minor unit (`XAU`, `XXX` and the
    /// like have none, so no amount can be stated in them).
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        iso_currency::Currency::from_code(code)
            .filter(|known| known.exponent().is_some())
            .map(Self)
    }

    /// Three upper-case letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimal places the minor unit has: 2 for EUR, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(self) -> u16 {
        self.0.exponent().unwrap_or(0)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_code(&code)
            .ok_or_else(|| serde::de::Error::custom("not a currency of ISO 4217 with a minor unit"))
    }
}

/// An amount of money: more than zero, at most [`AMOUNT_MINOR_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Money {
    amount_minor: u64,
    currency: Currency,
}

impl Money {
    /// `None` for zero and for more than [`AMOUNT_MINOR_MAX`].
    #[must_use]
    pub fn new(amount_minor: u64, currency: Currency) -> Option<Self> {
        (1..=AMOUNT_MINOR_MAX)
            .contains(&amount_minor)
            .then_some(Self {
                amount_minor,
                currency,
            })
    }

    /// The amount in the currency's minor unit.
    #[must_use]
    pub fn amount_minor(self) -> u64 {
        self.amount_minor
    }

    /// The currency.
    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }
}

impl fmt::Display for Money {
    /// As a person writes it: `12.50 EUR`, `500 JPY`, `1.005 KWD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = u32::from(self.currency.exponent());
        let unit = 10u64.pow(exponent);
        if exponent == 0 {
            write!(f, "{} {}", self.amount_minor, self.currency)
        } else {
            let (whole, part) = (self.amount_minor / unit, self.amount_minor % unit);
            write!(
                f,
                "{whole}.{part:0width$} {}",
                self.currency,
                width = exponent as usize
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exponents_are_those_of_iso_4217() {
        for (code, exponent) in [
            ("EUR", 2),
            ("USD", 2),
            ("JPY", 0),
            ("ISK", 0),
            ("UGX", 0),
            ("KWD", 3),
            ("TND", 3),
            ("CLF", 4),
            ("UYW", 4),
            ("MGA", 2),
            ("HUF", 2),
        ] {
            let currency = Currency::from_code(code).unwrap();
            assert_eq!((currency.code(), currency.exponent()), (code, exponent));
        }
        for code in ["", "eur", "EURO", "XAU", "XXX", "XTS", "QQQ", "€"] {
            assert_eq!(Currency::from_code(code), None, "{code}");
        }
    }

    #[test]
    fn amounts_are_shown_as_people_write_them() {
        for (amount_minor, code, expected) in [
            (1250, "EUR", "12.50 EUR"),
            (5, "EUR", "0.05 EUR"),
            (500, "JPY", "500 JPY"),
            (1005, "KWD", "1.005 KWD"),
            (1, "CLF", "0.0001 CLF"),
            (AMOUNT_MINOR_MAX, "EUR", "90071992547409.91 EUR"),
        ] {
            let money = Money::new(amount_minor, Currency::from_code(code).unwrap()).unwrap();
            assert_eq!(money.to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn no_money_is_out_of_bounds(amount_minor: u64) {
            let money = Money::new(amount_minor, Currency::from_code("EUR").unwrap());
            prop_assert_eq!(money.is_some(), (1..=AMOUNT_MINOR_MAX).contains(&amount_minor));
            prop_assert_eq!(money.map_or(amount_minor, Money::amount_minor), amount_minor);
        }

        #[test]
        fn what_is_shown_is_the_amount(amount_minor in 1..=AMOUNT_MINOR_MAX, code in proptest::sample::select(vec!["EUR", "JPY", "KWD", "CLF"])) {
            let shown = Money::new(amount_minor, Currency::from_code(code).unwrap()).unwrap().to_string();
            let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
            prop_assert_eq!(digits.parse(), Ok(amount_minor));
            prop_assert!(shown.ends_with(code));
        }

        #[test]
        fn money_is_stored_and_read_back(amount_minor in 1..=AMOUNT_MINOR_MAX) {
            let money = Money::new(amount_minor, Currency::from_code("EUR").unwrap()).unwrap();
            let stored = rmp_serde::to_vec_named(&money).unwrap();
            prop_assert_eq!(rmp_serde::from_slice::<Money>(&stored).unwrap(), money);
        }
    }
}
