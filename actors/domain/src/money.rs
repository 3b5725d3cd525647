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
