//! An older store takes the store's place, and learns from the gateway's list what it must know before anything is sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::Recorded;
use almoner_actors::restore::{Rank, Sightings, older, since_s};
use almoner_domain::answer::IntentStatus;
use almoner_domain::ids::{DonationId, Shard};

use super::mark;
use crate::diary::lock;
use crate::outside::Outside;

/// The copy takes the store's place. What is recorded otherwise by that is told anew.
pub(super) fn restore(outside: &Outside) {
    let rows = &outside.disk.rows;
    let before = rows.all();
    rows.restore(lock(&outside.disk.backup).get_or_insert_default());
    for campaign in lock(&outside.campaigns).values() {
        let described = almoner_actors::ports::Done::new(|_| {});
        almoner_actors::ports::Store::put_campaign(rows, campaign.clone(), described);
    }
    let is_other = |it: &&Recorded| rows.recorded(it.donation.request.id).as_deref() != Some(*it);
    let others = before.iter().filter(is_other);
    let others: BTreeSet<DonationId> = others.map(|it| it.donation.request.id).collect();
    outside.diary.note(|| {
        format!(
            "of {} donations {} are recorded otherwise",
            before.len(),
            others.len()
        )
    });
    outside.judge.restored(others);
}

/// What `--after-restore` does before it starts: the gateway's list is brought in, and the log is read again from where the
/// store stands. Says whether it could be done.
pub(super) fn catch_up(outside: &Arc<Outside>) -> bool {
    if outside.is_gateway_down.load(Ordering::Relaxed) {
        return false;
    }
    let marks = outside.disk.rows.marks();
    let older: Vec<_> = (0..outside.broker.count())
        .filter_map(|partition| {
            let mark = marks.iter().find(|mark| mark.shard.0 == partition);
            older(Shard(partition), &outside.broker.log(partition), mark)
        })
        .collect();
    let now_ms = outside.clock.wall_ms();
    let mut sightings = Sightings::default();
    {
        let mut bank = lock(&outside.bank);
        bank.pass_to(now_ms);
        for (id, account) in bank.list(since_s(&older, &marks)) {
            let rank = match (account.intent.status, account.is_refunded) {
                (IntentStatus::Succeeded, false) => Rank::Charged,
                (IntentStatus::Succeeded, true) => Rank::Refunded,
                _ => Rank::NotCharged,
            };
            sightings.note(
                id,
                account.intent.id.clone(),
                account.intent.created_s,
                rank,
            );
        }
    }
    let sightings = sightings.wanted(now_ms, &outside.settings.rules);
    outside.diary.note(|| {
        format!(
            "{} intents of the gateway's list are brought in",
            sightings.len()
        )
    });
    put(&outside.disk.rows, sightings);
    for it in older {
        mark(outside, it.shard, it.next_offset);
        outside.broker.move_to(it.shard.0, it.next_offset);
    }
    true
}

fn put(rows: &MemoryStore, mut sightings: Vec<almoner_actors::restore::Sighting>) {
    sightings.sort_by_key(|it| it.donation_id); // the same on every machine
    rows.put_sightings(sightings);
}
