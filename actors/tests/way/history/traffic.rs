//! What happens in a history, by chance: what users ask for, what the gateway does with a send, how a port falters.

use almoner_actors::memory::Plan;
use almoner_domain::answer::Answer;
use almoner_domain::donation::Call;
use almoner_domain::ids::CampaignId;
use almoner_domain::request::{self, Request};

use crate::faults::{Fault, Touch};
use crate::support::{donate, hold_answer};

/// `SplitMix64`: a few lines, and the same on every machine.
#[derive(Clone)]
pub struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn permille(&mut self, of: u64) -> bool {
        self.below(1_000) < of
    }

    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

/// One record of the log: bytes, since some are none.
pub struct Logged {
    pub at_ms: i64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

impl Logged {
    pub fn new(at_ms: i64, request: Option<&Request>) -> Self {
        let (key, value) = match request {
            Some(it) => (it.user_id().as_str().into(), request::encode(it)),
            None => (b"ann".to_vec(), b"\xc1 no MessagePack".to_vec()),
        };
        Self { at_ms, key, value }
    }
}

/// Who asks, and what was asked for first under each id.
#[derive(Default)]
pub struct Users {
    asked: Vec<(u32, String, u64)>,
}

impl Users {
    /// The next request; none is a record that cannot be read.
    pub fn ask(&mut self, chance: &mut Chance) -> Option<Request> {
        let known = (!self.asked.is_empty())
            .then(|| self.asked[chance.below(self.asked.len() as u64) as usize].clone());
        Some(match (chance.below(100), known) {
            (0, _) => return None,
            (1..=13, Some((n, user, amount))) => Request::Donate(donate(n, &user, amount)),
            (14..=16, Some((n, user, amount))) => Request::Donate(donate(n, &user, amount + 1)),
            (17..=18, Some((n, _, amount))) => Request::Donate(donate(n, "eve", amount)),
            (19..=30, Some((n, user, _))) => Request::Confirm(hold_answer(n, &user)),
            (31..=35, Some((n, user, _))) => Request::Cancel(hold_answer(n, &user)),
            (36..=37, Some((n, _, _))) => Request::Confirm(hold_answer(n, "eve")),
            (97, _) => self.give(chance, "shut"),
            (98..=99, _) => self.give(chance, "nobody"),
            _ => self.give(chance, "camp"),
        })
    }

    fn give(&mut self, chance: &mut Chance, campaign: &str) -> Request {
        let n = self.asked.len() as u32 + 1;
        let user = format!("user-{}", chance.below(5));
        let amount = 500 + 100 * chance.below(3);
        self.asked.push((n, user.clone(), amount));
        let mut request = donate(n, &user, amount);
        request.campaign_id = CampaignId::parse(campaign).unwrap();
        Request::Donate(request)
    }
}

pub fn gateway_plan(dice: &mut Chance, call: &Call) -> Plan {
    let moves_money = matches!(call, Call::Charge | Call::Confirm { .. });
    match dice.below(100) {
        0..=6 => Plan::LoseAnswer,
        7..=11 => Plan::LoseRequest,
        12..=13 => Plan::Hang,
        14 => Plan::Say(Answer::RateLimited {
            retry_after_ms: None,
        }),
        15 => Plan::Say(Answer::KeyInUse),
        16 => Plan::Say(Answer::NotSent("planned".into())),
        17..=20 if moves_money => Plan::Decline {
            code: "processing_error",
        },
        21..=24 if moves_money => Plan::Decline {
            code: "card_declined",
        },
        _ => Plan::Execute,
    }
}

pub fn port_fault(dice: &mut Chance, touch: Touch, crashes_permille: u64) -> Fault {
    if dice.permille(crashes_permille) {
        return Fault::Panic;
    }
    match (dice.below(1_000), touch.port) {
        (0..=14, "gateway") => Fault::AnswerAfterMs(dice.below(20_000)),
        (0..=200, "gateway") => Fault::DelayMs(dice.below(1_500)),
        (0..=14, _) => Fault::Refuse,
        (15..=29, _) => Fault::LoseAnswer,
        (30..=79, _) => Fault::AnswerAfterMs(dice.below(2_000)),
        (80..=99, _) => Fault::DelayMs(dice.below(2_000)),
        _ => Fault::None,
    }
}
