//! What users say when they are asked about a suspected double.

use almoner_domain::ids::{DonationId, UserId};
use almoner_domain::outcome::OutcomeView;
use almoner_domain::request::{self, HoldAnswer, Request};
use hashbrown::HashSet;

use crate::dice::{Share, mix};
use crate::planned::{Kind, Planned};
use crate::scenario::Scenario;

/// Answers each question once. What the answer is follows from seed and donation, so a later run says the same.
pub struct Answerer {
    seed: u64,
    confirm: Share,
    confirm_or_cancel: Share,
    answered: HashSet<DonationId, foldhash::fast::FixedState>,
}

impl Answerer {
    /// Answers as the users of the scenario do.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let confirm = Share::of(scenario.double_clicks.confirm_share);
        Self {
            seed: scenario.seed,
            confirm,
            confirm_or_cancel: confirm.and(Share::of(scenario.double_clicks.cancel_share)),
            answered: HashSet::default(),
        }
    }

    /// The request to publish after this outcome: the answer to a question that was not answered before, if its user
    /// answers at all.
    pub fn answer(&mut self, outcome: &OutcomeView<'_>) -> Option<Planned> {
        if outcome.event_type != "donation.needs_confirmation"
            || !self.answered.insert(outcome.donation_id)
        {
            return None;
        }
        let throw = self.throw(outcome.donation_id);
        let hold = HoldAnswer {
            id: outcome.donation_id,
            user_id: UserId::parse(outcome.user_id)?,
        };
        let (kind, request) = if self.confirm.takes(throw) {
            (Kind::Confirm, Request::Confirm(hold))
        } else if self.confirm_or_cancel.takes(throw) {
            (Kind::Cancel, Request::Cancel(hold))
        } else {
            return None;
        };
        Some(Planned {
            key: outcome.user_id.to_owned(),
            value: request::encode(&request),
            kind,
            id: Some(outcome.donation_id),
            request: None,
        })
    }

    fn throw(&self, id: DonationId) -> u64 {
        let (high, low) = id.as_uuid().as_u64_pair();
        mix(mix(self.seed, high), low)
    }
}

#[cfg(test)]
mod tests {
    use almoner_domain::request::{Record, Rules, decode};

    use super::*;
    use crate::watch::story::{Story, told};

    /// How many of 10,000 users say yes, no, nothing.
    fn check(confirm_share: f64, cancel_share: f64, expected: [u32; 3]) {
        let mut scenario = Scenario::demo(1, 9);
        scenario.double_clicks.confirm_share = confirm_share;
        scenario.double_clicks.cancel_share = cancel_share;
        let (mut answerer, mut again) = (Answerer::new(&scenario), Answerer::new(&scenario));
        let mut said = [0u32; 3];
        for n in 0..10_000 {
            let story = Story::new(n);
            let question = story.outcome(&told::held(1));
            let answer = answerer.answer(&question.view());
            assert_eq!(
                answer,
                again.answer(&question.view()),
                "it follows from the seed"
            );
            assert_eq!(
                answerer.answer(&question.view()),
                None,
                "a copy is answered once"
            );
            match answer.as_ref().map(|answer| (answer.kind, read(answer))) {
                Some((Kind::Confirm, Request::Confirm(hold))) if hold.id == story.id() => {
                    said[0] += 1
                }
                Some((Kind::Cancel, Request::Cancel(hold))) if hold.id == story.id() => {
                    said[1] += 1
                }
                None => said[2] += 1,
                other => panic!("{other:?}"),
            }
        }
        for (said, expected) in said.iter().zip(expected) {
            assert!(
                said.abs_diff(expected) <= 250 && (expected > 0 || *said == 0),
                "{said} for {expected}"
            );
        }
    }

    fn read(answer: &Planned) -> Request {
        let record = Record {
            key: Some(answer.key.as_bytes()),
            value: &answer.value,
            schema_version: None,
        };
        decode(&record, &Rules::default()).unwrap()
    }

    #[test]
    fn users_answer_as_often_as_the_scenario_says() {
        check(0.4, 0.6, [4_000, 6_000, 0]);
        check(0.2, 0.3, [2_000, 3_000, 5_000]);
        check(0.0, 0.0, [0, 0, 10_000]);
    }

    #[test]
    fn only_questions_are_answered() {
        let mut answerer = Answerer::new(&Scenario::demo(1, 9));
        let story = Story::new(1);
        for told in [told::succeeded(1), told::pending(1), told::failed(1)] {
            assert_eq!(answerer.answer(&story.outcome(&told).view()), None);
        }
    }
}
