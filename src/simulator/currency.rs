//! The gateway's own table of currencies: which it charges in, what its smallest amounts are and how they are written.
//!
//! From Stripe's pages "Supported currencies" and "Minimum charge amounts". It is the outside world's table: nothing
//! of the product's money types is used here, so that a mistake in one is not repeated by the other.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most that one intent can ask for, in the currency's smallest unit.
pub(crate) const AMOUNT_MAX: i64 = 99_999_999;

/// Currencies that Stripe presents in, besides those of the other lists here.
const TWO_DECIMALS: &str = "\
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop \
    crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr \
    kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk \
    php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah uyu uzs \
    wst xcd xcg yer zar zmw";
const NO_DECIMALS: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";
const THREE_DECIMALS: &str = "bhd jod kwd omr tnd";
/// Without decimals by now, yet still written with two, which must be 00.
const WRITTEN_WITH_00: &str = "isk ugx";

/// What Stripe names as the least amount, in the currency's smallest unit.
const MINIMA: [(&str, i64); 24] = [
    ("usd", 50),
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1000),
];

/// A currency that the gateway charges in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Why an amount cannot be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AmountFault {
    TooSmall {
        least: i64,
    },
    TooLarge,
    /// The last digits must be zero: the amount must be a multiple of this.
    NotAMultipleOf(i64),
}

impl Currency {
    /// Reads the code in any case.
    pub(crate) fn read(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        let code = Self(bytes.map(|byte| byte.to_ascii_lowercase()));
        let known = [TWO_DECIMALS, NO_DECIMALS, THREE_DECIMALS, WRITTEN_WITH_00];
        // The commonest few are found at once; the lists are walked for the rest.
        let common = matches!(&code.0, b"usd" | b"eur" | b"gbp");
        (common || known.iter().any(|list| code.is_in(list))).then_some(code)
    }

    /// The code in lower case, as Stripe answers it.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether an intent can ask for so much.
    pub(crate) fn check(self, amount: i64) -> Result<(), AmountFault> {
        let multiple = if self.is_in(THREE_DECIMALS) {
            10
        } else if self.is_in(WRITTEN_WITH_00) {
            100
        } else {
            1
        };
        let least = self.least();
        if amount < least {
            Err(AmountFault::TooSmall { least })
        } else if amount > AMOUNT_MAX {
            Err(AmountFault::TooLarge)
        } else if amount % multiple != 0 {
            Err(AmountFault::NotAMultipleOf(multiple))
        } else {
            Ok(())
        }
    }

    /// Where Stripe names no minimum, it wants what half a dollar is worth; this stands in for it.
    fn least(self) -> i64 {
        let named = MINIMA.iter().find(|(code, _)| *code == self.as_str());
        match named {
            Some((_, least)) => *least,
            None if self.is_in(THREE_DECIMALS) => 200,
            None if self.is_in(WRITTEN_WITH_00) => 10_000,
            None => 50,
        }
    }

    fn is_in(self, list: &str) -> bool {
        list.split(' ').any(|code| code.as_bytes() == self.0)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::read(&code).ok_or_else(|| serde::de::Error::custom("not a currency of the gateway"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, amount: i64, expected: Result<(), AmountFault>) {
        let currency = Currency::read(code).unwrap();
        assert_eq!(currency.check(amount), expected, "{amount} {code}");
    }

    #[test]
    fn amounts_obey_the_currency() {
        check("usd", 50, Ok(()));
        check("USD", 49, Err(AmountFault::TooSmall { least: 50 }));
        check("usd", -1, Err(AmountFault::TooSmall { least: 50 }));
        check("eur", AMOUNT_MAX, Ok(()));
        check("eur", AMOUNT_MAX + 1, Err(AmountFault::TooLarge));
        check("jpy", 55, Ok(()));
        check("jpy", 49, Err(AmountFault::TooSmall { least: 50 }));
        check("kwd", 5120, Ok(()));
        check("kwd", 5124, Err(AmountFault::NotAMultipleOf(10)));
        check("isk", 50_000, Ok(()));
        check("isk", 50_050, Err(AmountFault::NotAMultipleOf(100)));
        check("ugx", 1_000_001, Err(AmountFault::NotAMultipleOf(100)));
        check("huf", 17_499, Err(AmountFault::TooSmall { least: 17_500 }));
    }

    #[test]
    fn unknown_codes_are_no_currency() {
        for code in ["", "us", "usdd", "xxx", "kpw", "u d", "éa"] {
            assert_eq!(Currency::read(code), None, "{code}");
        }
    }

    #[test]
    fn no_code_stands_in_two_lists() {
        let mut codes: Vec<_> = [TWO_DECIMALS, NO_DECIMALS, THREE_DECIMALS, WRITTEN_WITH_00]
            .iter()
            .flat_map(|list| list.split(' '))
            .collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
        assert!(count > 135, "{count}");
    }
}
