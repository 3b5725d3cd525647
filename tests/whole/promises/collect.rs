//! The facts of a world: call it while no instance runs, or at rest.

use std::collections::BTreeMap;

use almoner::audit::AuditedBooks;
use almoner::simulator::{Event as Happened, IntentId, LoggedRequest};
use almoner::store::scylla::ScyllaStore;
use almoner::store::sqlite::Total;
use almoner_actors::ports::{Finish, Recorded};
use almoner_domain::donation::State;
use almoner_domain::ids::DonationId;
use almoner_domain::outcome::OutcomeView;
use almoner_domain::request::{self, DonationRequest, Record, Request, Rules};

use super::facts::{Did, Ended, Event, Facts, Key, Send, Stored, What};
use crate::support::{Follower, Place, Post, Told, World};

/// The donation that a record asks for, if it does.
pub fn asked(post: &Post) -> Option<DonationRequest> {
    let record = Record {
        key: post.key.as_deref(),
        value: post.value.as_deref().unwrap_or_default(),
        schema_version: None,
    };
    match request::decode(&record, &Rules::default()) {
        Ok(Request::Donate(donation)) => Some(donation),
        _ => None,
    }
}

impl Facts {
    /// All that can be seen now of what was asked, by the group that read it last.
    pub fn of(
        world: &World,
        follower: &Follower,
        asked: &BTreeMap<Place, Option<DonationRequest>>,
        group_id: &str,
    ) -> Self {
        let mut facts = Self {
            asked: asked.clone(),
            committed: world.broker.committed(group_id),
            ..Self::default()
        };
        facts.read_topics(world, follower);
        facts.read_store(world);
        facts.read_journal(world);
        facts.read_requests(world);
        facts
    }

    fn read_topics(&mut self, world: &World, follower: &Follower) {
        follower.catch_up(&world.broker);
        let seen = follower.seen();
        self.told = seen.outcomes.iter().map(event).collect();
        self.dead_letters = seen.dead_letters.iter().map(|it| it.place()).collect();
    }

    fn read_store(&mut self, world: &World) {
        if let Some(keyspace) = &world.keyspace {
            return self.read_cluster(&keyspace.open());
        }
        // Killed before it had made its first store, an instance leaves none.
        if !world.store().join("almoner.sqlite").exists() {
            return;
        }
        let books = world.books();
        books
            .each_donation(|it| drop(self.stored.insert(it.donation.request.id, stored(&it))))
            .unwrap();
        let totals = books.totals().unwrap();
        self.movements_minor = sums(&totals.movements);
        self.days_minor = sums(&totals.campaign_days);
    }

    /// A movement is a donation that succeeded there; the days are sums of entries of their own.
    fn read_cluster(&mut self, store: &ScyllaStore) {
        store
            .each_donation(|it| drop(self.stored.insert(it.donation.request.id, stored(&it))))
            .unwrap();
        self.movements_minor = sums(&AuditedBooks::totals(store).unwrap().movements);
        for day in store.campaign_days().unwrap() {
            let sum = self.days_minor.entry(day.currency.code().to_owned());
            *sum.or_default() += day.amount_minor;
        }
    }

    fn read_requests(&mut self, world: &World) {
        let requests = world.gateway.requests().into_iter();
        let of_key = |it: LoggedRequest| {
            Some(Send {
                at_ms: it.at_ms,
                key: it.key?.into(),
                status: it.status,
            })
        };
        self.sends = requests.filter_map(of_key).collect();
        self.sends.sort_by_key(|send| send.at_ms);
    }

    fn read_journal(&mut self, world: &World) {
        let mut donations: BTreeMap<IntentId, Option<DonationId>> = BTreeMap::new();
        for record in world.gateway.journal() {
            let record: almoner::simulator::Record = record.unwrap();
            let key = key_of(&record.events);
            for happened in &record.events {
                if let Happened::Created { intent, terms, .. } = happened {
                    let named = terms.metadata.get("donation_id");
                    donations.insert(*intent, named.as_deref().and_then(DonationId::parse));
                }
                let (Some(intent), Some(what)) = (happened.intent(), what(happened)) else {
                    continue;
                };
                self.journal.push(Did {
                    at_ms: record.at_ms,
                    key: key.as_ref().map(|it| it.key.clone()),
                    intent: intent.to_string(),
                    donation_id: donations.get(&intent).copied().flatten(),
                    what,
                });
            }
            self.keys.extend(key);
        }
    }
}

fn key_of(events: &[Happened]) -> Option<Key> {
    events.iter().find_map(|event| match event {
        Happened::KeyStored {
            key, fingerprint, ..
        } => Some(Key {
            key: key.to_string(),
            fingerprint: *fingerprint,
        }),
        _ => None,
    })
}

fn what(happened: &Happened) -> Option<What> {
    match happened {
        Happened::Created { terms, .. } => Some(What::Created {
            amount: terms.amount,
            currency: terms.currency.as_str().to_owned(),
            payment_method: terms.payment_method.as_deref().map(str::to_owned),
        }),
        Happened::Charged { amount, .. } => Some(What::Charged { amount: *amount }),
        Happened::Refunded { terms, .. } => Some(What::Refunded {
            amount: terms.amount,
        }),
        Happened::Canceled { .. } => Some(What::Canceled),
        _ => None,
    }
}

fn event(told: &Told) -> Event {
    let view = told.view();
    Event {
        donation_id: view.donation_id,
        event_id: view.event_id,
        sequence: view.sequence,
        event_type: view.event_type.to_owned(),
        place: told.place(),
        content: format!(
            "{:?}",
            OutcomeView {
                source: None,
                ..view
            }
        ),
    }
}

fn stored(recorded: &Recorded) -> Stored {
    let amount = recorded.donation.request.amount;
    Stored {
        place: place_of(&recorded.donation.place),
        answered_by: recorded.answered_by.as_ref().map(place_of),
        accepted_at_ms: recorded.donation.accepted_at_ms,
        amount_minor: amount.amount_minor().cast_signed(),
        currency: amount.currency().code().to_owned(),
        is_pending: recorded.pending.is_some(),
        ended: recorded.finish.as_ref().map(ended),
    }
}

fn place_of(place: &almoner_domain::ids::Place) -> Place {
    Place {
        partition: place.partition,
        offset: place.offset,
    }
}

fn ended(finish: &Finish) -> Ended {
    let is_charged = finish.ending.state == State::Succeeded;
    let intent_id = finish.ending.intent_id.as_deref();
    Ended {
        event_type: finish.told().what.event_type().to_owned(),
        sequence: finish.sequence,
        charged_by: intent_id.filter(|_| is_charged).map(str::to_owned),
    }
}

fn sums(totals: &[Total]) -> BTreeMap<String, i64> {
    totals
        .iter()
        .map(|total| (total.currency.code().to_owned(), total.amount_minor))
        .collect()
}
