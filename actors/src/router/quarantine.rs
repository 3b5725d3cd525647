//! An actor that crashes too often is set aside with what it was handling: what was never accepted becomes a dead
//! letter, what was accepted becomes pending, and its neighbours go on.

use actix::prelude::{AsyncContext, Context, Handler, Message};
use almoner_domain::donation::{Event, Next, PendingKind, Progress, Transition};
use almoner_domain::ids::{CampaignId, DonationId, UserId};
use almoner_domain::outcome::What;

use super::flight::Work;
use super::slots::QUARANTINE_MS;
use super::{Departed, Fate, Router};
use crate::ports::{AdvanceWrite, Done, Pending, Recorded, StoreError};
use crate::user::STORE_PAUSE;

#[derive(Message)]
#[rtype(result = "()")]
struct QuarantinedLoaded {
    id: DonationId,
    recorded: Result<Option<Box<Recorded>>, StoreError>,
}

impl Router {
    pub(super) fn quarantine_user(&mut self, user: &UserId, panic: &str, ctx: &Context<Self>) {
        tracing::error!(shard = %self.id, %user, panic, "the user's actor is quarantined");
        self.world.telemetry.quarantined("user");
        self.slots.quarantine(user, self.world.clock.boot_ms());
        let at_user = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.is_at_user() && flight.work.user_id() == user);
        let ids: Vec<DonationId> = at_user.map(|(id, _)| *id).collect();
        for id in ids {
            self.look_after_quarantined(id, ctx);
        }
        self.escalate_if_many();
    }

    pub(super) fn quarantine_campaign(
        &mut self,
        campaign: &CampaignId,
        panic: &str,
        _: &Context<Self>,
    ) {
        tracing::error!(shard = %self.id, %campaign, panic, "the campaign's actor is quarantined; it is started anew");
        self.world.telemetry.quarantined("campaign");
        if let Some(shard) = &self.shard {
            shard.forget_campaign(campaign);
        }
        self.slots.ask_again();
        self.escalate_if_many();
    }

    fn escalate_if_many(&mut self) {
        self.quarantined += 1;
        if self.quarantined >= QUARANTINED_MAX {
            self.world.raise(crate::world::Alarm::Escalated {
                what: format!(
                    "{} actors of shard {} are quarantined",
                    self.quarantined, self.id
                ),
            });
        }
    }

    /// What the store knows decides.
    pub(super) fn look_after_quarantined(&mut self, id: DonationId, ctx: &Context<Self>) {
        let done = Done::to(ctx.address().recipient(), move |recorded| {
            QuarantinedLoaded { id, recorded }
        });
        self.world.store.load(id, done);
    }

    fn never_accepted(&mut self, id: DonationId, ctx: &Context<Self>) {
        let Some(flight) = self.flights.get(&id) else {
            return;
        };
        match flight.work.clone() {
            Work::Donate(donation) => {
                let tickets = flight.tickets.clone();
                self.dead_letter_donation(&donation, &tickets, ctx);
                self.end_refused(id, ctx);
            }
            Work::AnswerHold(_) | Work::Due(_) => self.departed(Departed::dropped(id), ctx),
        }
    }

    fn set_aside_recorded(&mut self, id: DonationId, recorded: Box<Recorded>, ctx: &Context<Self>) {
        let Recorded {
            row,
            donation,
            pending,
            finish,
            told,
            ..
        } = *recorded;
        let told_before = told.last().cloned();
        if let Some(finish) = finish {
            let fate = Fate::Finished {
                has_pending_row: pending.is_some(),
            };
            return self.departed(
                Departed {
                    id,
                    donation: Some(donation),
                    told: Some(finish.told()),
                    told_before,
                    fate,
                },
                ctx,
            );
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
                return self.departed(departed, ctx);
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
        let router = ctx.address();
        self.world.store.advance(
            write,
            Done::new(move |result| match result {
                Ok(crate::ports::Advanced::Done) => {
                    router.do_send(Departed {
                        id,
                        donation: Some(donation),
                        told,
                        told_before,
                        fate,
                    });
                }
                _ => router.do_send(LookAfter(id)),
            }),
        );
    }
}

/// Quarantined actors of one shard after which it is the shard that fails, not they.
const QUARANTINED_MAX: u32 = 100;

#[derive(Message)]
#[rtype(result = "()")]
struct LookAfter(DonationId);

impl Handler<LookAfter> for Router {
    type Result = ();

    fn handle(&mut self, LookAfter(id): LookAfter, ctx: &mut Self::Context) {
        ctx.run_later(STORE_PAUSE, move |router, ctx| {
            router.look_after_quarantined(id, ctx)
        });
    }
}

impl Handler<QuarantinedLoaded> for Router {
    type Result = ();

    fn handle(&mut self, loaded: QuarantinedLoaded, ctx: &mut Self::Context) {
        let QuarantinedLoaded { id, recorded } = loaded;
        match recorded {
            Ok(Some(recorded)) => self.set_aside_recorded(id, recorded, ctx),
            Ok(None) => self.never_accepted(id, ctx),
            Err(_) => ctx.notify(LookAfter(id)),
        }
    }
}
