//! Whose numbers begin how, and how long they are.

use std::ops::RangeInclusive;

/// Issuers' beginnings, written as their first six digits, with the lengths in use.
const ISSUERS: &[(RangeInclusive<u32>, RangeInclusive<usize>)] = &[
    (220_000..=220_499, 16..=19), // Mir
    (222_100..=272_099, 16..=16), // Mastercard
    (300_000..=305_999, 14..=19), // Diners Club
    (309_500..=309_599, 14..=19), // Diners Club
    (340_000..=349_999, 15..=15), // American Express
    (352_800..=358_999, 16..=19), // JCB
    (360_000..=369_999, 14..=19), // Diners Club
    (370_000..=379_999, 15..=15), // American Express
    (380_000..=399_999, 14..=19), // Diners Club
    (400_000..=499_999, 13..=19), // Visa
    (500_000..=509_999, 13..=19), // Maestro, RuPay, Elo, Verve
    (510_000..=559_999, 16..=16), // Mastercard
    (560_000..=589_999, 13..=19), // Maestro
    (600_000..=609_999, 16..=19), // Discover, RuPay, Hipercard
    (620_000..=629_999, 16..=19), // UnionPay
    (630_400..=630_499, 13..=19), // Maestro
    (636_000..=639_999, 13..=19), // Maestro, Elo
    (644_000..=659_999, 16..=19), // Discover, RuPay, Verve
    (670_000..=679_999, 13..=19), // Maestro
    (810_000..=829_999, 16..=19), // UnionPay, RuPay
    (979_200..=979_299, 16..=16), // Troy
];

/// Whether an issuer's numbers begin like these digits (each 0–9) and are as long, and Luhn's sum comes out.
pub(super) fn is_issued(digits: &[u8]) -> bool {
    let Some(first) = digits.first_chunk::<6>() else {
        return false;
    };
    let first = first
        .iter()
        .fold(0, |number, digit| number * 10 + u32::from(*digit));
    ISSUERS
        .iter()
        .any(|(beginning, length)| beginning.contains(&first) && length.contains(&digits.len()))
        && passes_luhn(digits)
}

/// Luhn's check: every second digit from the right doubled, nine taken off what exceeds it, the sum a multiple of ten.
fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| match (i % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}
