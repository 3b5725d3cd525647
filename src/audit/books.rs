//! The sums of the books, within themselves and against the donations and the gateway.

use std::collections::{BTreeMap, BTreeSet};

use almoner_domain::money::Currency;

use super::finding::{Finding, Findings};
use super::report::CurrencyTotals;
use crate::store::sqlite::{DayDifference, Total, Totals};

/// The sums of the books around an audit: what was recorded in between lies between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BookSums {
    /// Before the first donation was read.
    pub before: Totals,
    /// After the last one was.
    pub after: Totals,
    /// The campaigns' days that are not the sums of their movements.
    pub differences: Vec<DayDifference>,
}

impl BookSums {
    /// The sums of books that nobody writes to.
    #[must_use]
    pub fn still(totals: Totals, differences: Vec<DayDifference>) -> Self {
        Self {
            before: totals.clone(),
            after: totals,
            differences,
        }
    }
}

/// Each movement is in its campaign's day, and nothing else is.
pub(super) fn compare_days(sums: &BookSums, findings: &mut Findings) {
    for it in &sums.differences {
        let recorded = &it.recorded;
        let (campaign_id, currency) = (recorded.campaign_id.clone(), recorded.currency);
        let day = date(recorded.day);
        findings.push(if recorded.count == 0 && recorded.amount_minor == 0 {
            Finding::DayMissing {
                campaign_id,
                currency,
                day,
                moved_minor: it.amount_minor,
                movements: it.movements,
            }
        } else {
            Finding::DayDiffers {
                campaign_id,
                currency,
                day,
                recorded_minor: recorded.amount_minor,
                recorded: recorded.count,
                moved_minor: it.amount_minor,
                movements: it.movements,
            }
        });
    }
}

/// Movements = campaign days; movements = donations; donations and what is open but charged = gateway. The books' sums
/// are of everything, so only a comparison of the whole can use all of them.
pub(super) fn compare_totals(
    sums: &BookSums,
    is_whole: bool,
    totals: &mut BTreeMap<Currency, CurrencyTotals>,
    findings: &mut Findings,
) {
    let of_books = [&sums.before, &sums.after]
        .into_iter()
        .flat_map(|it| it.movements.iter().chain(&it.campaign_days));
    let currencies: BTreeSet<Currency> = of_books.map(|total| total.currency).collect();
    if is_whole {
        for currency in &currencies {
            totals.entry(*currency).or_default();
        }
    }
    for (currency, totals) in totals.iter_mut().filter(|_| is_whole) {
        let last = Moment::of(&sums.after, *currency);
        totals.ledger_minor = Some(last.movements.1);
        totals.campaign_days_minor = Some(last.campaign_days.1);
    }
    let all: BTreeSet<Currency> = totals.keys().copied().chain(currencies).collect();
    for currency in all {
        let totals = totals.get(&currency).copied().unwrap_or_default();
        let [first, last] = [&sums.before, &sums.after].map(|it| Moment::of(it, currency));
        let donations = (totals.donations, totals.donations_minor);
        let books_agree = first.is_even() && last.is_even();
        let recorded_agree = !is_whole
            || first.is_at_most(donations) && Moment::is_at_most_of(donations, last.movements);
        let gateway_agrees =
            totals.gateway_minor == totals.donations_minor + totals.open_charged_minor;
        if !(books_agree && recorded_agree && gateway_agrees) {
            findings.push(Finding::TotalsDiffer { currency, totals });
        }
    }
}

/// What the books held in one currency at one moment: count and sum.
struct Moment {
    movements: (u64, i128),
    campaign_days: (u64, i128),
}

impl Moment {
    fn of(totals: &Totals, currency: Currency) -> Self {
        let find = |of: &[Total]| {
            of.iter()
                .find(|total| total.currency == currency)
                .map_or((0, 0), |it| (it.count, i128::from(it.amount_minor)))
        };
        Self {
            movements: find(&totals.movements),
            campaign_days: find(&totals.campaign_days),
        }
    }

    fn is_even(&self) -> bool {
        self.movements == self.campaign_days
    }

    fn is_at_most(&self, donations: (u64, i128)) -> bool {
        Self::is_at_most_of(self.movements, donations)
    }

    /// In count and in sum, since movements are only added.
    fn is_at_most_of(less: (u64, i128), more: (u64, i128)) -> bool {
        less.0 <= more.0 && less.1 <= more.1
    }
}

/// `YYYY-MM-DD` of a UTC day, counted from 1970; the bare number where no calendar has it.
fn date(day: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    let span = jiff::Span::new().try_days(day);
    span.and_then(|span| epoch.checked_add(span))
        .map_or_else(|_| day.to_string(), |date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_shown_as_a_date() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(20_717), "2026-09-21");
        assert_eq!(date(i32::MAX), i32::MAX.to_string());
    }
}
