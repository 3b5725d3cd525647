//! Our books against the gateway's: every donation, movement, campaign's day and charge, held against each other.
//!
//! [`Audit`] is the comparison alone: donations go in first, then the gateway's charges, then the sums of the books,
//! and out comes an [`AuditReport`]. [`compare`] feeds it from a data folder and the gateway's list.
//!
//! A running service does no harm: the books are read before the gateway, so that what succeeded in them must be on its
//! list; and a charge that the books do not explain is looked up in them once more ([`Audit::wants`]), since a donation
//! is accepted before it is charged (I4).

mod books;
mod finding;
mod known;
mod report;
mod run;
mod source;
mod text;

use std::collections::BTreeMap;

use almoner_actors::ports::Recorded;
use almoner_domain::donation::State;
use almoner_domain::ids::DonationId;
use almoner_domain::money::{Currency, Money};

use crate::gateway::{GatewayAmount, GatewayCharge};
use known::{Known, Ledger};

pub use books::BookSums;
pub use finding::{Finding, Findings};
pub use report::{AuditReport, Checked, CurrencyTotals, Open, OpenInState};
pub use run::{CouldNotAudit, compare};
pub use source::AuditedBooks;

/// A comparison under way. It holds 40 bytes a donation, and of the gateway's charges only those that need explaining.
#[derive(Default)]
pub struct Audit {
    since_ms: Option<i64>,
    ledger: Ledger,
    checked: Checked,
    totals: BTreeMap<Currency, CurrencyTotals>,
    findings: Findings,
    surplus: Vec<Surplus>,
}

/// A charge of a donation that another intent stands for.
struct Surplus {
    donation_id: DonationId,
    intent_id: Box<str>,
    charged: GatewayAmount,
}

impl Audit {
    /// A comparison of everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A comparison of the donations that were accepted at or after this moment (wall clock, milliseconds since 1970).
    #[must_use]
    pub fn since(since_ms: i64) -> Self {
        Self {
            since_ms: Some(since_ms),
            ..Self::default()
        }
    }

    /// Takes a donation as it is recorded. Given again, it is taken as it is then: see [`Audit::wants`].
    pub fn donation(&mut self, recorded: &Recorded) {
        let accepted_ms = recorded.donation.accepted_at_ms;
        let is_beyond = self.since_ms.is_some_and(|since_ms| accepted_ms < since_ms);
        let known = Known::of(recorded, is_beyond);
        let is_new = self.ledger.put(recorded.donation.request.id, known);
        self.checked.donations += u64::from(is_new && !is_beyond);
        if known.state == State::Succeeded
            && !is_beyond
            && let Some(finish) = &recorded.finish
            && finish.ending.charge_id.is_none()
        {
            self.findings.push(Finding::NoChargeId {
                donation_id: recorded.donation.request.id,
                intent_id: finish.ending.intent_id.clone(),
            });
        }
    }

    /// The donation that must be given again, as it is recorded now, before this charge can be judged: it is not known
    /// here, or had not been sent to the gateway when it was read.
    #[must_use]
    pub fn wants(&self, charge: &GatewayCharge) -> Option<DonationId> {
        if !charge.is_unreversed() {
            return None;
        }
        let id = charge.donation_id.as_deref().and_then(DonationId::parse)?;
        match self.ledger.get(id) {
            Some(known) if !known.is_unsent() || known.is_found => None,
            _ => Some(id),
        }
    }

    /// Takes an intent of the gateway's list, once, after all donations.
    pub fn charge(&mut self, charge: &GatewayCharge) {
        let Some(named) = charge.donation_id.as_deref() else {
            self.checked.intents_of_others += 1;
            return;
        };
        self.checked.intents += 1;
        if charge.charged == 0 {
            return;
        }
        let id = DonationId::parse(named);
        let known = id.and_then(|id| Some((id, self.ledger.get(id)?)));
        if known.is_none_or(|(_, known)| !known.is_beyond) {
            self.add_gateways(charge);
        }
        match known {
            Some((id, known)) => self.judge(id, known, charge),
            None if charge.is_unreversed() => self.findings.push(Finding::ChargeNotKnown {
                donation_id: named.into(),
                intent_id: charge.intent_id.as_str().into(),
                charged: charge.amount(),
            }),
            None => {}
        }
    }

    fn judge(&mut self, id: DonationId, mut known: Known, charge: &GatewayCharge) {
        let intent_id = charge.intent_id.as_str();
        let is_unreversed = charge.is_unreversed();
        match known.state {
            State::Failed | State::Cancelled | State::Held | State::Accepted if is_unreversed => {
                self.findings.push(Finding::ChargedAgainstBooks {
                    donation_id: id,
                    intent_id: intent_id.into(),
                    state: known.state,
                    charged: charge.amount(),
                });
                known.found(intent_id);
            }
            State::Succeeded if known.stands_for(intent_id) => {
                self.judge_refund(id, charge);
                self.judge_amount(id, known, charge);
                known.found(intent_id);
            }
            State::Charging | State::Retrying | State::Unknown
                if is_unreversed && known.stands_for(intent_id) =>
            {
                self.add_open(known, charge);
                self.judge_amount(id, known, charge);
                known.found(intent_id);
            }
            _ if is_unreversed => self.add_surplus(id, charge),
            _ => {}
        }
        self.ledger.put(id, known);
    }

    /// Surplus charges are kept to be named at the end; as many as findings are.
    fn add_surplus(&mut self, donation_id: DonationId, charge: &GatewayCharge) {
        if self.surplus.len() < Findings::KEPT_MAX {
            self.surplus.push(Surplus {
                donation_id,
                intent_id: charge.intent_id.as_str().into(),
                charged: charge.amount(),
            });
        } else {
            self.findings.leave_out();
        }
    }

    fn judge_refund(&mut self, donation_id: DonationId, charge: &GatewayCharge) {
        if charge.refunded > 0 {
            self.findings.push(Finding::RefundNotKnown {
                donation_id,
                intent_id: charge.intent_id.as_str().into(),
                refunded: charge.amount_refunded(),
            });
        }
    }

    fn judge_amount(&mut self, donation_id: DonationId, known: Known, charge: &GatewayCharge) {
        let charged = charge.amount();
        let recorded = known.amount();
        if recorded.map(GatewayAmount::Iso).as_ref() == Some(&charged) {
            return;
        }
        let intent_id = charge.intent_id.as_str().into();
        let is_other_currency = !charge.currency.eq_ignore_ascii_case(known.currency.code());
        self.findings.push(if is_other_currency {
            Finding::OtherCurrency {
                donation_id,
                intent_id,
                recorded,
                charged,
            }
        } else {
            Finding::OtherAmount {
                donation_id,
                intent_id,
                recorded,
                charged,
            }
        });
    }

    fn add_gateways(&mut self, charge: &GatewayCharge) {
        if let Some(money) = charge.unreversed() {
            let totals = self.totals_of(money);
            totals.gateway_minor += i128::from(money.amount_minor());
            totals.gateway_charges += 1;
        }
    }

    fn add_open(&mut self, known: Known, charge: &GatewayCharge) {
        if let Some(money) = charge.unreversed().filter(|_| !known.is_beyond) {
            self.totals_of(money).open_charged_minor += i128::from(money.amount_minor());
        }
    }

    fn totals_of(&mut self, money: Money) -> &mut CurrencyTotals {
        self.totals.entry(money.currency()).or_default()
    }

    /// Takes the sums of the books, and says what was found. `now_ms` (wall clock) is what ages are counted to.
    #[must_use]
    pub fn finish(mut self, sums: &BookSums, now_ms: i64) -> AuditReport {
        self.name_surplus();
        let open = self.count_donations(now_ms);
        books::compare_days(sums, &mut self.findings);
        books::compare_totals(
            sums,
            self.since_ms.is_none(),
            &mut self.totals,
            &mut self.findings,
        );
        AuditReport {
            since_ms: self.since_ms,
            checked: self.checked,
            totals: self.totals,
            open,
            findings: self.findings.sorted(),
        }
    }

    /// A surplus charge is the second one of its donation, unless the one that the books name never was.
    fn name_surplus(&mut self) {
        for it in std::mem::take(&mut self.surplus) {
            let Some(mut known) = self.ledger.get(it.donation_id) else {
                continue;
            };
            let Surplus {
                donation_id,
                intent_id,
                charged,
            } = it;
            self.findings.push(if known.is_found {
                Finding::ChargedTwice {
                    donation_id,
                    intent_id,
                    recorded_intent: None,
                    charged,
                }
            } else {
                known.is_found = true;
                self.ledger.put(donation_id, known);
                Finding::OtherIntent {
                    donation_id,
                    intent_id,
                    recorded_intent: None,
                    charged,
                }
            });
        }
    }

    fn count_donations(&mut self, now_ms: i64) -> Open {
        let mut open = Open::default();
        for (donation_id, known) in self.ledger.iter().filter(|(_, known)| !known.is_beyond) {
            let Some(money) = known.amount() else {
                continue;
            };
            if known.state == State::Succeeded {
                let totals = self.totals.entry(known.currency).or_default();
                totals.donations_minor += i128::from(money.amount_minor());
                totals.donations += 1;
                if !known.is_found {
                    self.findings.push(Finding::NotAtGateway {
                        donation_id,
                        recorded_intent: None,
                        recorded: money,
                    });
                }
            } else if !known.state.is_terminal() {
                open.add(known.state, money, known.age_s(now_ms));
            }
        }
        open
    }
}
