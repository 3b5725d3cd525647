//! One reading of the list, page by page to its end (a part of it would prove no absence), for all whose ranges lie
//! near each other. Of what it shows, only what the callers asked for is kept.

use std::collections::HashMap;
use std::time::Duration;

use almoner_domain::answer::{Answer, Intent};
use tokio::time::{Instant, sleep};

use super::Asked;
use crate::gateway::answers::{self, Expected, Reply, Useless, WireIntent};
use crate::gateway::body::Charged;
use crate::gateway::transport::Failure;
use crate::gateway::{Client, NoAnswer, PAGE_MAX_BYTES};

/// Ranges that are further apart than this, in seconds, are read each for itself: what lies between is nobody's.
const APART_S: i64 = 3_600;

/// So often a page is asked for. At a gateway that loses one answer in a hundred, a list of a thousand pages would never
/// come to its end if one loss ended it; and to look again moves nothing.
const PAGE_TRIES: u32 = 6;

/// A page that failed is asked for again after this, then twice this, and so on.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// A gateway that wants to be left alone for longer, in milliseconds, is: the callers are told.
const RETRY_AFTER_MAX_MS: u64 = 2_000;

/// A page that has taken this long is not asked for again: that is more than a hitch.
const TRIES_WITHIN: Duration = Duration::from_secs(10);

/// A caller, and what of the list is its donation's.
pub(super) struct Waiting {
    asked: Asked,
    charged: Charged,
    /// Or the first intent that has its donation's name and yet cannot be its own.
    own: Result<Vec<Intent>, Useless>,
}

/// The list over one range, and for whom it is read.
pub(super) struct Reading {
    /// Seconds since 1970, both ends included.
    range_s: (i64, i64),
    /// By the donation's id as the gateway shows it.
    wanted: HashMap<String, Vec<Waiting>>,
}

/// Joins the ranges that overlap or lie near each other.
pub(super) fn clusters(mut waiting: Vec<Waiting>) -> Vec<Reading> {
    waiting.sort_unstable_by_key(Waiting::range_s);
    let mut readings: Vec<Reading> = Vec::new();
    for one in waiting {
        let (from_s, to_s) = one.range_s();
        match readings.last_mut() {
            Some(last) if from_s <= last.range_s.1.saturating_add(APART_S) => {
                last.range_s.1 = last.range_s.1.max(to_s);
                last.add(one);
            }
            _ => {
                let mut reading = Reading {
                    range_s: (from_s, to_s),
                    wanted: HashMap::new(),
                };
                reading.add(one);
                readings.push(reading);
            }
        }
    }
    readings
}

impl Reading {
    fn add(&mut self, one: Waiting) {
        let id = one.asked.call.donation.request.id;
        let named = id.as_uuid().hyphenated().to_string();
        self.wanted.entry(named).or_default().push(one);
    }

    /// Reads, and answers everybody. Where a page fails, its answer is everybody's.
    pub(super) async fn run(mut self, client: &Client) {
        client.telemetry.list_reading();
        let outcome = (self.read(client).await).unwrap_or_else(|none| Err(none.into_answer()));
        for one in self.wanted.into_values().flatten() {
            let answer = match (&outcome, one.own) {
                (Err(failed), _) => failed.clone(),
                (Ok(()), Ok(own)) => Answer::Listed(own),
                (Ok(()), Err(useless)) => client.instead(&one.asked.call, useless.into()),
            };
            one.asked.answer(client, answer);
        }
    }

    async fn read(&mut self, client: &Client) -> Result<Result<(), Answer>, NoAnswer> {
        let mut after: Option<String> = None;
        loop {
            let reply = page(client, self.range_s, after.as_deref()).await?;
            let shown = answers::read_page(&reply, |intent| self.take(intent, &reply))?;
            match shown {
                Err(answer) => return Ok(Err(answer)),
                Ok(None) => return Ok(Ok(())),
                // A list that goes in circles would never end.
                Ok(same) if same == after => {
                    return Err(Failure::Lost("the list does not go on".into()).into());
                }
                Ok(next) => after = next,
            }
        }
    }

    /// Keeps an intent for those who asked for its donation.
    fn take(&mut self, intent: &WireIntent<'_>, reply: &Reply) {
        let named = intent.donation_id();
        if let Some(waiting) = named.and_then(|named| self.wanted.get_mut(named)) {
            for one in waiting {
                one.take(intent, reply);
            }
        }
    }
}

/// One page, asked for again while it fails in passing; then its last failure is the answer.
async fn page(
    client: &Client,
    range_s: (i64, i64),
    after: Option<&str>,
) -> Result<Reply, NoAnswer> {
    let began = Instant::now();
    let mut tries = 1;
    let mut pause = TRY_AGAIN_AFTER;
    loop {
        let request = client.requests.page(client.version, range_s, after)?;
        client.telemetry.list_page();
        let outcome = client.transport.send(request, PAGE_MAX_BYTES).await;
        match again_after(&outcome) {
            Some(at_least) if tries < PAGE_TRIES && began.elapsed() < TRIES_WITHIN => {
                sleep(pause.max(at_least)).await;
            }
            _ => return Ok(outcome?),
        }
        pause *= 2;
        tries += 1;
    }
}

/// Whether a page failed in passing, and how long the gateway wants to be left alone then.
fn again_after(outcome: &Result<Reply, Failure>) -> Option<Duration> {
    match outcome {
        Err(_) => Some(Duration::ZERO),
        Ok(reply) if reply.status.is_server_error() => Some(Duration::ZERO),
        Ok(reply) if reply.status.as_u16() == 429 => {
            let wanted_ms = answers::retry_after_ms(&reply.headers).unwrap_or(0);
            (wanted_ms <= RETRY_AFTER_MAX_MS).then(|| Duration::from_millis(wanted_ms))
        }
        Ok(_) => None,
    }
}

impl Waiting {
    /// A caller that has been shown nothing yet.
    pub(super) fn new(asked: Asked, charged: Charged) -> Self {
        Self {
            asked,
            charged,
            own: Ok(Vec::new()),
        }
    }

    fn range_s(&self) -> (i64, i64) {
        self.asked.call.listed_s
    }

    fn take(&mut self, intent: &WireIntent<'_>, reply: &Reply) {
        let Ok(own) = &mut self.own else { return };
        let call = &self.asked.call;
        let expected = Expected {
            call: &call.call,
            donation: call.donation.request.id,
            charged: self.charged,
            intent: None,
        };
        match expected.judge(intent, reply) {
            Ok(intent) => own.push(intent),
            Err(useless) => self.own = Err(useless),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use almoner_actors::ports::{Done, GatewayCall};
    use almoner_domain::donation::Call;
    use almoner_domain::ids::DonationId;

    use super::*;
    use crate::gateway::fixtures::donation;

    fn waiting(n: u8, range_s: (i64, i64)) -> Waiting {
        let donation = donation(DonationId([n; 16]));
        let charged = Charged::new(donation.request.amount).unwrap();
        let call = GatewayCall {
            donation: Arc::new(donation),
            call: Call::List,
            intent: None,
            listed_s: range_s,
            permit: None,
        };
        let done = Done::new(|_: Answer| {});
        let at = Instant::now();
        Waiting::new(Asked { call, done, at }, charged)
    }

    /// Ranges asked for; ranges read, each with how many callers.
    fn check(asked: &[(i64, i64)], read: &[((i64, i64), usize)]) {
        let asked = asked.iter().zip(1..);
        let readings = clusters(asked.map(|(range_s, n)| waiting(n, *range_s)).collect());
        let shown: Vec<_> = readings
            .iter()
            .map(|reading| (reading.range_s, reading.wanted.values().flatten().count()))
            .collect();
        assert_eq!(shown, read);
    }

    #[test]
    fn ranges_near_each_other_are_read_at_once() {
        check(&[], &[]);
        check(&[(0, 600)], &[((0, 600), 1)]);
        check(&[(60, 660), (0, 600), (0, 600)], &[((0, 660), 3)]);
        check(&[(0, 9_000), (60, 660), (9_600, 9_700)], &[((0, 9_700), 3)]);
        check(&[(0, 600), (4_200, 4_800)], &[((0, 4_800), 2)]);
        check(
            &[(4_201, 4_801), (0, 600)],
            &[((0, 600), 1), ((4_201, 4_801), 1)],
        );
        check(&[(0, i64::MAX), (5, 6)], &[((0, i64::MAX), 2)]);
    }

    #[test]
    fn two_calls_for_one_donation_are_both_answered() {
        let readings = clusters(vec![waiting(1, (0, 600)), waiting(1, (0, 600))]);
        assert_eq!(readings[0].wanted.len(), 1);
        assert_eq!(readings[0].wanted.values().flatten().count(), 2);
    }
}
