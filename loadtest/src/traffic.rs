//! A scenario → the messages that people's front ends send, in the order in which they send them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use almoner_domain::ids::{CampaignId, DonationId, UserId};
use almoner_domain::money::Money;
use almoner_domain::request::{self, DonationRequest, Request};
use uuid::Builder;

use crate::campaigns::{giving_of, open_id};
use crate::dice::{Dice, Share, mix};
use crate::people::People;
use crate::planned::{Bad, Kind, Planned};
use crate::scenario::{Scenario, ScenarioFault};
use crate::spoil::spoil;
use crate::zipf::Zipf;

/// The messages of a scenario. It keeps only what is still to be sent again.
pub struct Traffic {
    scenario: Scenario,
    shares: Shares,
    users: Zipf,
    campaigns: Zipf,
    people: People,
    /// What people do.
    dice: Dice,
    /// What their ids are made of: other ids for another start.
    id_dice: Dice,
    /// New requests so far.
    arrived: u64,
    /// What is to be sent again, by when.
    again: BinaryHeap<Reverse<Again>>,
    /// Numbers what is to be sent again, so that what is due at once keeps an order.
    again_count: u64,
}

/// A scenario's shares, ready for the dice.
struct Shares {
    odd_amounts: Share,
    repeats: Share,
    repeats_twice: Share,
    double_clicks: Share,
    v4: Share,
    /// Each with those before it.
    bad: [(Share, Bad); 5],
    /// Each with those before it.
    cards: [(Share, Card); 4],
}

/// A card that does not simply pay.
#[derive(Clone, Copy)]
enum Card {
    Named(&'static str),
    Soft,
}

/// A message to be sent once so many new requests were made.
struct Again {
    at: u64,
    order: u64,
    kind: Kind,
    request: DonationRequest,
}

impl Traffic {
    /// The messages of the scenario, from the first.
    ///
    /// # Errors
    /// The scenario makes no traffic.
    pub fn new(scenario: &Scenario) -> Result<Self, ScenarioFault> {
        scenario.check()?;
        Ok(Self {
            shares: Shares::of(scenario),
            users: Zipf::new(scenario.users.count, scenario.users.zipf_exponent),
            campaigns: Zipf::new(scenario.campaigns.count, scenario.campaigns.zipf_exponent),
            people: People::new(&scenario.texts),
            dice: Dice::new(scenario.seed, 1),
            id_dice: Dice::new(mix(scenario.seed, scenario.start_ms.cast_unsigned()), 2),
            arrived: 0,
            again: BinaryHeap::new(),
            again_count: 0,
            scenario: scenario.clone(),
        })
    }

    /// A new request, sound or bad.
    fn arrive(&mut self) -> Option<Planned> {
        self.arrived += 1;
        let request = self.request()?;
        let throw = self.dice.throw();
        if let Some((_, bad)) = self.shares.bad.iter().find(|(share, _)| share.takes(throw)) {
            let closed = self.scenario.campaigns_closed;
            return Some(spoil(request, *bad, closed, &mut self.dice));
        }
        self.plan_repeats(&request);
        if self.dice.chance(self.shares.double_clicks) {
            self.plan_double_click(&request);
        }
        Some(planned(Kind::First, request))
    }

    fn request(&mut self) -> Option<DonationRequest> {
        let user = self.users.rank(&mut self.dice);
        let campaign = self.campaigns.rank(&mut self.dice);
        let user_id = UserId::parse(&format!("user-{user:07}"))?;
        let amount = self.amount(campaign)?;
        let payment_method = self.payment_method();
        let now_ms = self.now_ms();
        let information = self
            .people
            .information(user_id.as_str(), now_ms, &mut self.dice);
        Some(DonationRequest {
            id: self.id(),
            user_id,
            campaign_id: CampaignId::parse(&open_id(campaign))?,
            amount,
            payment_method,
            gateway_customer: None,
            information: Some(Box::new(information)),
        })
    }

    fn amount(&mut self, campaign: u64) -> Option<Money> {
        giving_of(&self.scenario, campaign)?.amount(self.shares.odd_amounts, &mut self.dice)
    }

    fn payment_method(&mut self) -> Box<str> {
        const PAYS: [&str; 4] = [
            "pm_card_visa",
            "pm_card_visa",
            "pm_card_mastercard",
            "pm_card_amex",
        ];
        let throw = self.dice.throw();
        match self
            .shares
            .cards
            .iter()
            .find(|(share, _)| share.takes(throw))
        {
            None => self.dice.pick(&PAYS).into(),
            Some((_, Card::Named(name))) => (*name).into(),
            Some((_, Card::Soft)) => {
                let times_max = u64::from(self.scenario.declines.soft_times_max);
                format!("pm_soft_{}_visa", 1 + self.dice.below(times_max)).into()
            }
        }
    }

    /// An id by a clock that lags, or by none.
    fn id(&mut self) -> DonationId {
        let mut random = [0; 16];
        self.id_dice.fill(&mut random);
        let uuid = if self.id_dice.chance(self.shares.v4) {
            Builder::from_random_bytes(random)
        } else {
            let late_ms = self
                .id_dice
                .below(self.scenario.ids.late_ms_max.saturating_add(1));
            let made_ms = self.now_ms().saturating_sub_unsigned(late_ms).max(0);
            let mut tail = [0; 10];
            tail.copy_from_slice(&random[..10]);
            Builder::from_unix_timestamp_millis(made_ms.cast_unsigned(), &tail)
        };
        DonationId(uuid.into_uuid().into_bytes())
    }

    /// The time of the latest new request.
    fn now_ms(&self) -> i64 {
        let passed_ms = self.arrived.saturating_sub(1).saturating_mul(1_000)
            / u64::from(self.scenario.arrivals_per_s.max(1));
        self.scenario.start_ms.saturating_add_unsigned(passed_ms)
    }

    fn plan_repeats(&mut self, request: &DonationRequest) {
        if !self.dice.chance(self.shares.repeats) {
            return;
        }
        let times = 1 + u64::from(self.dice.chance(self.shares.repeats_twice));
        for _ in 0..times {
            self.plan(
                Kind::Repeat,
                request.clone(),
                self.scenario.repeats.within_arrivals,
            );
        }
    }

    fn plan_double_click(&mut self, request: &DonationRequest) {
        let mut again = request.clone();
        again.id = self.id();
        let kind = Kind::DoubleClick { of: request.id };
        self.plan(kind, again, self.scenario.double_clicks.within_arrivals);
    }

    /// Within so many new requests, the sooner the likelier: each doubling of the wait is as likely as the last.
    fn plan(&mut self, kind: Kind, request: DonationRequest, within: u64) {
        let within = within.max(1);
        let reach = within >> self.dice.below(u64::from(within.ilog2()) + 1);
        let at = self.arrived + self.dice.below(reach + 1);
        self.again_count += 1;
        self.again.push(Reverse(Again {
            at,
            order: self.again_count,
            kind,
            request,
        }));
    }

    /// What is due to be sent again; once there is nothing new, all of it.
    fn due(&mut self) -> Option<Planned> {
        let Reverse(next) = self.again.peek()?;
        if next.at > self.arrived && self.arrived < self.scenario.donations {
            return None;
        }
        let Reverse(next) = self.again.pop()?;
        if matches!(next.kind, Kind::DoubleClick { .. }) {
            self.plan_repeats(&next.request);
        }
        Some(planned(next.kind, next.request))
    }
}

impl Iterator for Traffic {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        if let Some(planned) = self.due() {
            return Some(planned);
        }
        (self.arrived < self.scenario.donations)
            .then(|| self.arrive())
            .flatten()
    }
}

fn planned(kind: Kind, request: DonationRequest) -> Planned {
    let (id, key) = (request.id, request.user_id.to_string());
    let request = Request::Donate(request);
    Planned {
        key,
        value: request::encode(&request),
        kind,
        id: Some(id),
        request: match request {
            Request::Donate(donation) => Some(donation),
            Request::Confirm(_) | Request::Cancel(_) => None,
        },
    }
}

impl Shares {
    fn of(scenario: &Scenario) -> Self {
        let (bad, declines) = (&scenario.bad, &scenario.declines);
        Self {
            odd_amounts: Share::of(scenario.odd_amounts),
            repeats: Share::of(scenario.repeats.share),
            repeats_twice: Share::of(scenario.repeats.twice_share),
            double_clicks: Share::of(scenario.double_clicks.share),
            v4: Share::of(scenario.ids.v4_share),
            bad: stacked([
                (bad.zero_amount, Bad::ZeroAmount),
                (bad.unknown_currency, Bad::UnknownCurrency),
                (bad.closed_campaign, Bad::ClosedCampaign),
                (bad.unknown_campaign, Bad::UnknownCampaign),
                (bad.garbage, Bad::Garbage),
            ]),
            cards: stacked([
                (declines.generic, Card::Named("pm_card_chargeDeclined")),
                (
                    declines.insufficient_funds,
                    Card::Named("pm_card_chargeDeclinedInsufficientFunds"),
                ),
                (
                    declines.authentication_required,
                    Card::Named("pm_card_authenticationRequired"),
                ),
                (declines.soft, Card::Soft),
            ]),
        }
    }
}

/// One throw decides between all of them.
fn stacked<T, const N: usize>(shares: [(f64, T); N]) -> [(Share, T); N] {
    let mut sum = Share::of(0.0);
    shares.map(|(share, what)| {
        sum = sum.and(Share::of(share));
        (sum, what)
    })
}

impl Ord for Again {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Again {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Again {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Again {}

#[cfg(test)]
mod tests;
