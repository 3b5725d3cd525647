//! An actor that crashes too often is set aside with what it was handling: what was never accepted becomes a dead
//! letter, what was accepted becomes pending, and its neighbours go on.

use std::hash::{BuildHasher, Hash};

use actix::prelude::{Context, Handler, Message};
use almoner_domain::donation::{Event, Next, PendingKind, Progress, State, Transition};
use almoner_domain::duplicate::Settled;
use almoner_domain::ids::{CampaignId, DonationId, UserId};
use almoner_domain::outcome::What;

use super::flight::Work;
use super::slots::QUARANTINE_MS;
use super::tick::Again;
use super::{Departed, Fate, Router};
use crate::ports::{AdvanceWrite, Advanced, Done, Pending, Recorded, StoreError};
use crate::telemetry;

/// Distinct entities of one shard, quarantined within [`ENTITIES_WINDOW_MS`], that are no longer the entities' fault:
/// the shard begins anew. One poison entity never does that.
const ENTITIES_MAX: usize = 10;
/// How long a quarantined entity counts against its shard, boot clock.
const ENTITIES_WINDOW_MS: i64 = 60_000;

#[derive(Message)]
#[rtype(result = "()")]
struct QuarantinedLoaded {
    takeover: u64,
    id: DonationId,
    recorded: Result<Option<Box<Recorded>>, StoreError>,
}

impl Router {
    pub(super) fn quarantine_user(&mut self, user: &UserId, panic: &str, ctx: &Context<Self>) {
        tracing::error!(shard = %self.id, %user, panic, "the user's actor is quarantined");
        self.world.telemetry.quarantined("user");
        let boot_ms = self.world.clock.boot_ms();
        self.slots.slot(user).quarantine(boot_ms + QUARANTINE_MS);
        let at_user = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.is_at_user() && flight.work.user_id() == user);
        let ids: Vec<DonationId> = at_user.map(|(id, _)| *id).collect();
        for id in ids {
            self.again_later(Again::LookAfter(id)); // its last write may be on its way yet
        }
        self.begin_anew_if_many(user, boot_ms, ctx);
    }

    /// Who waits for its word is queued meanwhile.
    pub(super) fn quarantine_campaign(
        &mut self,
        campaign: &CampaignId,
        panic: &str,
        ctx: &Context<Self>,
    ) {
        tracing::error!(shard = %self.id, %campaign, panic, "the campaign's actor is quarantined");
        self.world.telemetry.quarantined("campaign");
        let boot_ms = self.world.clock.boot_ms();
        if let Some(shard) = &self.shard {
            shard.quarantine_campaign(campaign, boot_ms + QUARANTINE_MS);
        }
        self.slots.ask_again();
        self.begin_anew_if_many(campaign, boot_ms, ctx);
    }

    /// One poison entity is set aside; where many distinct ones fail at once, it is not they who fail.
    fn begin_anew_if_many(&mut self, who: &impl Hash, boot_ms: i64, ctx: &Context<Self>) {
        let who = foldhash::fast::FixedState::default().hash_one(who);
        self.quarantined
            .retain(|(other, at_ms)| *other != who && boot_ms - at_ms < ENTITIES_WINDOW_MS);
        self.quarantined.push_back((who, boot_ms));
        if self.quarantined.len() >= ENTITIES_MAX {
            self.quarantined.clear();
            self.begin_anew(boot_ms, ctx);
        }
    }

    /// What the store knows decides.
    pub(super) fn look_after_quarantined(&mut self, id: DonationId, ctx: &Context<Self>) {
        let takeover = self.takeover;
        let done = Done::to(self.address(ctx), move |recorded| QuarantinedLoaded {
            takeover,
            id,
            recorded,
        });
        self.world.store.load(id, done);
    }

    /// What was never accepted is a dead letter, and does not count as a double of anything.
    fn never_accepted(&mut self, id: DonationId) {
        let Some(flight) = self.flights.get(&id) else {
            return;
        };
        if let Work::Due(_) = flight.work {
            return self.departed(Departed::dropped(id));
        }
        let slot = self.slots.slot(flight.work.user_id());
        slot.window.borrow_mut().settle(id, Settled::Gone);
        self.dead_letter_flight(id);
    }

    /// Whether the recorded donation is what the flight's request asks for; else that was never accepted.
    fn is_asked_for(&self, id: DonationId, recorded: &Recorded) -> bool {
        match self.flights.get(&id).map(|flight| &flight.work) {
            Some(Work::Donate(asked)) => {
                let known = &recorded.donation.request;
                asked.request.same_content(known).is_ok()
            }
            Some(Work::AnswerHold(record)) => recorded.answered_by.as_ref() == Some(&record.place),
            Some(Work::Due(_)) | None => true,
        }
    }

    fn set_aside_recorded(&mut self, id: DonationId, recorded: Box<Recorded>, ctx: &Context<Self>) {
        if !self.is_asked_for(id, &recorded) {
            return self.dead_letter_flight(id);
        }
        let Recorded {
            row,
            donation,
            pending,
            finish,
            told,
            ..
        } = *recorded;
        let told_before = told;
        if let Some(finish) = finish {
            let settled = match finish.ending.state {
                State::Succeeded => Settled::Counted,
                _ => Settled::Gone,
            };
            let slot = self.slots.slot(&donation.request.user_id);
            slot.window.borrow_mut().settle(id, settled);
            let fate = match pending {
                Some((pending, progress)) if progress.has_surplus() => Fate::Pending {
                    due_ms: self.world.clock.wall_ms() + QUARANTINE_MS,
                    kind: pending.kind,
                },
                pending => Fate::Finished {
                    has_pending_row: pending.is_some(),
                },
            };
            return self.departed(Departed {
                id,
                donation: Some(donation),
                told: Some(finish.told()),
                told_before,
                fate,
            });
        }
        let Some(shard) = self.shard.clone() else {
            return;
        };
        let now = shard.now();
        let due_ms = now.wall_ms + QUARANTINE_MS;
        let (seen_version, progress) = match pending {
            Some((pending, progress)) => (pending.version, progress),
            None => (0, Progress::first_sent(donation.accepted_at_ms)),
        };
        let event = Event::SetAside {
            kind: PendingKind::Quarantined,
            due_ms,
        };
        telemetry::step(progress.state, &event);
        let set_aside = donation.on(progress, event, now, &self.world.settings.rules);
        let (mut progress, kind) = match set_aside {
            Ok(Transition {
                progress,
                next: Next::Wait { kind, .. },
            }) => (progress, kind),
            // A held one waits for its user, whatever its actor does.
            _ => {
                let fate = Fate::Pending {
                    due_ms,
                    kind: PendingKind::Held,
                };
                let departed = Departed {
                    id,
                    donation: Some(donation),
                    told: None,
                    told_before,
                    fate,
                };
                return self.departed(departed);
            }
        };
        let fate = Fate::Pending { due_ms, kind };
        let told = (!progress.was_told(kind)).then(|| {
            let what = What::Pending {
                kind,
                retry_at_ms: due_ms,
            };
            progress.tell(kind, now.wall_ms, what)
        });
        let write = AdvanceWrite {
            id,
            row,
            shard: self.id,
            epoch: shard.epoch.get(),
            seen_version,
            pending: Pending {
                version: seen_version + 1,
                due_ms,
                kind,
            },
            progress: Box::new(progress),
            sends: smallvec::SmallVec::new(),
            told: told.clone(),
            answered_by: None,
        };
        let departed = Departed {
            id,
            donation: Some(donation),
            told,
            told_before,
            fate,
        };
        let takeover = self.takeover;
        let done = Done::to(self.address(ctx), move |result| SetAsideAs {
            takeover,
            departed: Box::new(departed),
            result,
        });
        self.world.store.advance(write, done);
    }
}

/// The store's answer to that.
#[derive(Message)]
#[rtype(result = "()")]
struct SetAsideAs {
    takeover: u64,
    departed: Box<Departed>,
    result: Result<Advanced, StoreError>,
}

impl Handler<SetAsideAs> for Router {
    type Result = ();

    fn handle(&mut self, set_aside: SetAsideAs, _: &mut Self::Context) {
        if set_aside.takeover != self.takeover {
            return; // of before the shard began anew: it is with another actor now
        }
        match set_aside.result {
            Ok(Advanced::Done) => self.departed(*set_aside.departed),
            Ok(Advanced::Fenced) => self.fenced(),
            Ok(Advanced::Lost(_)) | Err(_) => {
                self.again_later(Again::LookAfter(set_aside.departed.id));
            }
        }
    }
}

impl Handler<QuarantinedLoaded> for Router {
    type Result = ();

    fn handle(&mut self, loaded: QuarantinedLoaded, ctx: &mut Self::Context) {
        let QuarantinedLoaded {
            takeover,
            id,
            recorded,
        } = loaded;
        let is_at_user = (self.flights.get(&id)).is_some_and(|flight| flight.is_at_user());
        if takeover != self.takeover || !is_at_user {
            return; // the shard began anew, or it was looked after already
        }
        match recorded {
            Ok(Some(recorded)) => self.set_aside_recorded(id, recorded, ctx),
            Ok(None) => self.never_accepted(id),
            Err(_) => self.again_later(Again::LookAfter(id)),
        }
    }
}
