//! What must hold in the end, once everything is through: the gateway's books, ours, and what was told, side by side.

use std::collections::BTreeMap;

use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::Recorded;
use almoner_domain::donation::State;
use almoner_domain::ids::{CampaignId, DonationId};
use almoner_domain::outcome::What;

use crate::broker::Broker;

use super::{DOUBLES, Finding, Heard, I2, I6, I7, I9, Judge, LIVENESS};
use crate::bank::{Account, Bank};
use crate::history::is_open;
use crate::outside::Outside;

/// How far back a double is looked for, in stream time.
pub const WINDOW_MS: i64 = 60_000;
const DAY_S: i64 = 86_400;

/// Looks at the store, the gateway and what was told.
#[must_use]
pub fn at_the_end(
    judge: &Judge,
    rows: &MemoryStore,
    bank: &Bank,
    outside: &Outside,
) -> Vec<Finding> {
    let (all, heard) = (rows.all(), judge.heard());
    let mut findings = Vec::new();
    let mut find = |invariant, what: String| findings.push(Finding { invariant, what });
    for recorded in &all {
        let id = recorded.donation.request.id;
        money(recorded, bank, outside, &mut find);
        if judge.was_told_succeeded(id) && state(recorded) != Some(State::Succeeded) {
            let state = state(recorded);
            find(
                I7,
                format!("{id}: told to have succeeded before a restore, and now {state:?}"),
            );
        }
        told(recorded, heard.get(&id), &mut find);
    }
    strangers(&all, bank, &heard, &mut find);
    days(&all, rows, bank, &mut find);
    doubles(&all, judge, &outside.broker, &mut find);
    findings
}

fn state(recorded: &Recorded) -> Option<State> {
    recorded.finish.as_ref().map(|finish| finish.ending.state)
}

/// I2, I6, I7: one charge stands if and only if it is recorded as succeeded; and everything is through.
fn money(
    recorded: &Recorded,
    bank: &Bank,
    outside: &Outside,
    find: &mut impl FnMut(&'static str, String),
) {
    let id = recorded.donation.request.id;
    let state = state(recorded);
    let standing = bank
        .standing(id)
        .filter(|it| !is_excused(recorded, it, outside))
        .count();
    match (state, standing) {
        (_, 2..) => find(I2, format!("{id}: {standing} charges stand")),
        (Some(State::Succeeded), 0) => find(I7, format!("{id}: succeeded, and nothing is charged")),
        (Some(State::Failed | State::Cancelled), 1) => {
            find(I6, format!("{id}: {state:?}, and is charged"))
        }
        _ => {}
    }
    if is_open(recorded) {
        let pending = &recorded.pending;
        find(
            LIVENESS,
            format!("{id}: {state:?}, and is pending as {pending:?}"),
        );
    }
}

/// The gateway charged it later than it promises to settle anything, beside what stands. Who told "failed" by that promise leaves it
/// to a person; else it is refunded, if anybody heard of it.
fn is_excused(recorded: &Recorded, account: &Account, outside: &Outside) -> bool {
    let ending = recorded.finish.as_ref().map(|finish| &finish.ending);
    let stands = ending.is_some_and(|it| it.intent_id.as_ref() == Some(&account.intent.id));
    match state(recorded) {
        _ if !account.is_overdue => false,
        Some(State::Succeeded) => !stands && !outside.was_shown(&account.intent.id),
        state => state.is_some(),
    }
}

/// I9: what is recorded was told, up to its end.
fn told(recorded: &Recorded, heard: Option<&Heard>, find: &mut impl FnMut(&'static str, String)) {
    let id = recorded.donation.request.id;
    let last = recorded.finish.as_ref().map(|finish| finish.sequence);
    let heard = heard.and_then(|it| it.contents.keys().next_back().copied());
    if heard != last {
        find(I9, format!("{id}: told up to {heard:?} of {last:?}"));
    }
}

/// Nothing is charged or told of what is not recorded.
fn strangers(
    all: &[Recorded],
    bank: &Bank,
    heard: &BTreeMap<DonationId, Heard>,
    find: &mut impl FnMut(&'static str, String),
) {
    let known: BTreeMap<DonationId, ()> =
        all.iter().map(|it| (it.donation.request.id, ())).collect();
    for id in bank.donations().filter(|id| !known.contains_key(id)) {
        find(
            I7,
            format!("{id}: the gateway has an intent of it, and it is not recorded"),
        );
    }
    for id in heard.keys().filter(|id| !known.contains_key(id)) {
        find(I9, format!("{id}: it was told of, and is not recorded"));
    }
}

/// I7: the campaigns' days are the sums of what the gateway charged, on the days on which its intents were created.
fn days(
    all: &[Recorded],
    rows: &MemoryStore,
    bank: &Bank,
    find: &mut impl FnMut(&'static str, String),
) {
    let mut charged: BTreeMap<(CampaignId, i64), (u64, i64)> = BTreeMap::new();
    for recorded in all.iter().filter(|it| state(it) == Some(State::Succeeded)) {
        let request = &recorded.donation.request;
        let stands = recorded
            .finish
            .as_ref()
            .and_then(|it| it.ending.intent_id.clone());
        let created_s = bank
            .charged(request.id)
            .find(|it| Some(&it.intent.id) == stands.as_ref());
        let Some(created_s) = created_s.map(|it| it.intent.created_s) else {
            find(
                I7,
                format!(
                    "{}: recorded with the intent {stands:?}, which is not charged",
                    request.id
                ),
            );
            continue;
        };
        let sums = charged
            .entry((request.campaign_id.clone(), created_s.div_euclid(DAY_S)))
            .or_default();
        sums.0 += 1;
        sums.1 += i64::try_from(request.amount.amount_minor()).unwrap_or(i64::MAX);
    }
    let booked = rows.campaign_days();
    let booked = booked.into_iter().map(|it| {
        (
            (it.campaign_id, i64::from(it.day)),
            (it.count, it.amount_minor),
        )
    });
    let booked: BTreeMap<_, _> = booked.collect();
    if booked != charged {
        find(I7, format!("booked is {booked:?}, charged is {charged:?}"));
    }
}

/// A double is not charged unless the user was asked. The log says when it was given, whatever was made of that. Mostly the
/// later one is asked about; where the first had to wait for another request of its id, it may be the other way round.
fn doubles(
    all: &[Recorded],
    judge: &Judge,
    broker: &Broker,
    find: &mut impl FnMut(&'static str, String),
) {
    let place = |it: &Recorded| (it.shard.0, it.donation.shard_offset);
    let mut charged: Vec<&Recorded> = all
        .iter()
        .filter(|it| state(it) == Some(State::Succeeded))
        .filter(|it| !judge.was_restored(it.donation.request.id)) // what was asked then is not known now
        .collect();
    charged.sort_by_key(|it| place(it));
    for (i, later) in charged.iter().enumerate() {
        let is_double = |first: &&&Recorded| {
            is_same_gift(first, later)
                && distance_ms(first, later, broker) <= WINDOW_MS
                && !is_asked_about(first, later)
        };
        if let (Some(twin), None) = (charged[..i].iter().find(is_double), &later.answered_by) {
            let (first, later) = (twin.donation.request.id, later.donation.request.id);
            find(
                DOUBLES,
                format!("{later}: a double of {first}, and nobody was asked"),
            );
        }
    }
}

/// Whether the user was asked whether `this` is a double of `other`.
fn is_asked_about(this: &Recorded, other: &Recorded) -> bool {
    let id = other.donation.request.id;
    let asks = |what: &What| matches!(what, What::NeedsConfirmation { duplicate_of, .. } if *duplicate_of == id);
    this.told.iter().any(|told| asks(&told.what))
}

fn is_same_gift(first: &Recorded, later: &Recorded) -> bool {
    let (a, b) = (&first.donation.request, &later.donation.request);
    a.user_id == b.user_id && a.campaign_id == b.campaign_id && a.amount == b.amount
}

/// How far apart the records stand in the log, by the broker's clock.
fn distance_ms(first: &Recorded, later: &Recorded, broker: &Broker) -> i64 {
    let at_ms = |it: &Recorded| {
        let at_ms = broker.appended_at_ms(it.shard.0, it.donation.shard_offset);
        at_ms.unwrap_or(0)
    };
    (at_ms(later) - at_ms(first)).abs()
}
