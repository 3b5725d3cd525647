//! How a user actor drives a donation: an event goes in, the domain decides, the decision is made durable, then it is
//! carried out. Each step is one short function; a step that lost its condition in the store reads what is recorded
//! and goes on from there.

use std::sync::Arc;

use almoner_domain::answer::Answer;
use almoner_domain::donation::{Event, Next, Pause, PendingKind, State, Transition, Verdict};
use almoner_domain::ids::DonationId;
use almoner_domain::outcome::{Told, What};

use super::active::{Stage, Then};
use super::{Ctx, User};
use crate::campaign::{Check, InFlight};
use crate::gateway::{Charge, Permit, Reply};
use crate::ports::Finish;
use crate::retry;
use crate::router::Fate;
use crate::telemetry;

/// A send gets this long beyond the gateway's timeout before anybody else may look at the donation.
const SEND_GRACE_MS: i64 = 10_000;

/// How long a donation rests of which an event came that cannot be.
const ILLEGAL_PAUSE_MS: i64 = 10 * 60_000;

impl User {
    // ---- the turn and the campaign

    pub(super) fn take_turn(&mut self, id: DonationId, ctx: &Ctx) {
        if self.turn.take(id) {
            self.has_turn(id, ctx);
        }
    }

    /// It is this donation's turn: a new one asks its campaign, one that is due is sent.
    fn has_turn(&mut self, id: DonationId, ctx: &Ctx) {
        let waits = |i: &usize| matches!(self.active[*i].stage, Stage::Waiting);
        let Some(i) = self.find(id).filter(waits) else {
            return self.give_turn_back(id, ctx);
        };
        let active = &self.active[i];
        if self.shard.draining.get() && !active.is_accepted {
            return self.drop_active(id, ctx);
        }
        match active.progress.state {
            State::Accepted => self.check_campaign(i, ctx),
            State::Charging => self.apply(i, Event::TakenOver, ctx),
            _ => self.apply(i, Event::Due, ctx),
        }
    }

    pub(super) fn give_turn_back(&mut self, id: DonationId, ctx: &Ctx) {
        if let Some(next) = self.turn.give_back(id) {
            self.has_turn(next, ctx);
        }
    }

    /// Judged at once by what the campaign's actor knows; where that is too little or too old, the actor is asked.
    pub(super) fn check_campaign(&mut self, i: usize, ctx: &Ctx) {
        let active = &mut self.active[i];
        active.stage = Stage::Checking;
        let Some(donation) = &active.donation else {
            return;
        };
        let world = &self.shard.world;
        let now_ms = world.clock.boot_ms();
        let campaign = self.shard.campaign(&donation.request.campaign_id, now_ms);
        let judged = match &campaign {
            Some(campaign) => campaign.admission.judge(donation, &world.settings, now_ms),
            // Its actor is quarantined: it is tried again later, and what it would say is not known until then.
            None => Some((Verdict::Queue, None)),
        };
        active.campaign = campaign;
        match judged {
            Some((verdict, in_flight)) => self.judged(i, verdict, in_flight, ctx),
            None => self.ask_campaign(i, ctx),
        }
    }

    fn ask_campaign(&self, i: usize, ctx: &Ctx) {
        let active = &self.active[i];
        if let (Some(campaign), Some(donation)) = (&active.campaign, &active.donation) {
            campaign.address.do_send(Check {
                donation: Arc::clone(donation),
                reply: self.address(ctx),
            });
        }
    }

    /// The campaign's verdict decides, unless the donation looks like a double.
    pub(super) fn judged(
        &mut self,
        i: usize,
        verdict: Verdict,
        in_flight: Option<InFlight>,
        ctx: &Ctx,
    ) {
        self.active[i].in_flight = in_flight;
        match (self.active[i].is_accepted, self.active[i].hold_as) {
            (true, _) => self.apply(i, Event::Judged(verdict), ctx),
            // Nobody is asked about a donation that could not be made anyway.
            (false, Some(hold)) if !matches!(verdict, Verdict::Refuse { .. }) => {
                self.active[i].in_flight = None;
                self.accept_as(i, hold, ctx);
            }
            (false, _) => self.accept_as(i, verdict, ctx),
        }
    }

    // ---- one event

    /// The domain decides what the event makes of the donation; then that is made durable.
    pub(super) fn apply(&mut self, i: usize, event: Event, ctx: &Ctx) {
        self.apply_news(i, event, ctx);
    }

    /// The same, and says whether the event was news.
    pub(super) fn apply_news(&mut self, i: usize, event: Event, ctx: &Ctx) -> bool {
        let Some(donation) = self.active[i].donation.clone() else {
            return false;
        };
        let now = self.shard.now();
        let progress = self.active[i].progress.clone();
        telemetry::step(progress.state, &event);
        match donation.on(progress, event, now, &self.shard.world.settings.rules) {
            Ok(Transition { progress, next }) => {
                let stays = next == Next::Stay;
                let surplus_before = self.active[i].progress.surplus.len();
                if progress.surplus.len() > surplus_before {
                    let telemetry = &self.shard.world.telemetry;
                    telemetry.surplus_found(self.active[i].id, progress.state);
                }
                self.active[i].progress = progress;
                if !stays {
                    self.carry_out(i, next, now.wall_ms, ctx);
                }
                !stays
            }
            Err(illegal) => {
                let telemetry = &self.shard.world.telemetry;
                telemetry.illegal(self.active[i].id, &illegal);
                self.leave_as_recorded(i, ctx);
                true
            }
        }
    }

    /// What cannot be goes no further here: it stays as it is recorded, and is looked at again later.
    fn leave_as_recorded(&mut self, i: usize, ctx: &Ctx) {
        let due_ms = self.shard.world.clock.wall_ms() + ILLEGAL_PAUSE_MS;
        let kind = kind_of(self.active[i].progress.state);
        self.leave(i, None, Fate::Pending { due_ms, kind }, ctx);
    }

    fn carry_out(&mut self, i: usize, next: Next, now_ms: i64, ctx: &Ctx) {
        match next {
            Next::Send => self.permit(i, ctx),
            // The next call follows at once, permitted by one write; mostly the turn is still ours.
            Next::Wait {
                pause: Pause::None, ..
            } => self.take_on(i, ctx),
            Next::Wait { pause, kind } => self.wait(i, &pause, kind, ctx),
            Next::Finish(ending) => {
                let finish = Finish {
                    ending,
                    at_ms: now_ms,
                    sequence: self.active[i].progress.sequence + 1,
                };
                self.finish(i, finish, ctx);
            }
            Next::Settled => self.settle(i, ctx),
            Next::Stay => {}
        }
    }

    /// The surplus is refunded: what was told stands, and is told again in case that it was not heard.
    fn settle(&mut self, i: usize, ctx: &Ctx) {
        let due_ms = self.shard.world.clock.wall_ms();
        self.advance(i, due_ms, PendingKind::Surplus, None, Then::Settle, ctx);
    }

    /// A send that is not the first needs a durable permission. Until its answer the row is due only after the
    /// gateway's timeout, so that nobody repeats the send before.
    fn permit(&mut self, i: usize, ctx: &Ctx) {
        self.active[i].note_send(self.shard.epoch.get());
        self.active[i].permitted_boot_ms = self.shard.world.clock.boot_ms();
        let settings = &self.shard.world.settings;
        let due_ms =
            self.active[i].progress.permitted_at_ms + settings.gateway_timeout_ms + SEND_GRACE_MS;
        let kind = kind_of(self.active[i].progress.state);
        self.advance(i, due_ms, kind, None, Then::Send, ctx);
    }

    fn wait(&mut self, i: usize, pause: &Pause, kind: PendingKind, ctx: &Ctx) {
        let due_ms = self.due_ms(pause);
        let settings = &self.shard.world.settings;
        let now_ms = self.shard.world.clock.wall_ms();
        let is_soon = due_ms - now_ms <= settings.quiet_ms
            && now_ms - self.active[i].since_ms <= settings.in_flight_ms;
        // A surplus may have been learned of with nothing in flight: the store wakes it.
        let rests = is_soon && kind != PendingKind::Surplus;
        if rests && !self.shard.draining.get() {
            return self.advance(i, due_ms, kind, None, Then::Rest { due_ms }, ctx);
        }
        let told = self.told_pending(i, due_ms, kind);
        self.advance(
            i,
            due_ms,
            kind,
            told.clone(),
            Then::Leave { due_ms, kind, told },
            ctx,
        );
    }

    /// It has been in flight for long. What waits for its turn becomes pending, with nothing sent. A send that came
    /// back in no time that a send can take is lost, wherever that was; its answer, should it come yet, is a fact still.
    pub(super) fn overdue(&mut self, i: usize, ctx: &Ctx) {
        let settings = &self.shard.world.settings;
        let (id, send) = (self.active[i].id, self.active[i].progress.send);
        let sent_for_ms = self.shard.world.clock.boot_ms() - self.active[i].sent_boot_ms;
        let sending_max_ms =
            settings.send_deadline_ms + settings.gateway_timeout_ms + SEND_GRACE_MS;
        match self.active[i].stage {
            Stage::Waiting if self.turn.leave(id) => self.queue(i, ctx),
            Stage::Sending if sent_for_ms > sending_max_ms => {
                let answer = Answer::Lost("no answer came back".into());
                self.apply(i, Event::Answered { send, answer }, ctx);
            }
            _ => {}
        }
    }

    /// It waits for its turn no longer: the store drives it on.
    fn queue(&mut self, i: usize, ctx: &Ctx) {
        if !self.active[i].is_accepted {
            return self.accept_as(i, Verdict::Queue, ctx);
        }
        let due_ms = self.shard.world.clock.wall_ms() + self.shard.world.settings.queue_patience_ms;
        if self.active[i].progress.state == State::Unknown {
            let until = Pause::Until { ms: due_ms };
            return self.wait(i, &until, PendingKind::Unknown, ctx);
        }
        let kind = PendingKind::Queued;
        self.apply(i, Event::SetAside { kind, due_ms }, ctx);
    }

    /// The drain's deadline is over: what is on the wire is due once it must have ended.
    pub(super) fn set_aside_all(&mut self, ctx: &Ctx) {
        for i in 0..self.active.len() {
            let active = &self.active[i];
            if !active.is_accepted
                || !matches!(
                    active.stage,
                    Stage::Sending | Stage::Waiting | Stage::Resting
                )
            {
                continue;
            }
            self.turn.leave(active.id);
            let began_ms = active.progress.permitted_at_ms.max(active.since_ms);
            let due_ms = began_ms + self.shard.world.settings.gateway_timeout_ms + SEND_GRACE_MS;
            self.apply(
                i,
                Event::SetAside {
                    kind: PendingKind::Drained,
                    due_ms,
                },
                ctx,
            );
        }
    }

    /// A due donation that was read: it is taken on.
    pub(super) fn take_on(&mut self, i: usize, ctx: &Ctx) {
        let id = self.active[i].id;
        self.active[i].stage = Stage::Waiting;
        self.take_turn(id, ctx);
    }

    // ---- the send

    pub(super) fn send(&mut self, i: usize, ctx: &Ctx) {
        let reply_to = self.address(ctx);
        let active = &mut self.active[i];
        let Some(donation) = active.donation.clone() else {
            return;
        };
        active.stage = Stage::Sending;
        active.sent_boot_ms = self.shard.world.clock.boot_ms();
        // Key lives and proofs are counted from the decision: a send that leaves long after it is one that they know not of.
        let permitted_at_boot_ms = active.permitted_boot_ms;
        let send_deadline_ms = self.shard.world.settings.send_deadline_ms;
        let listed_s = donation.listed_s(&active.progress, send_deadline_ms);
        self.shard.gateway.send(Charge {
            donation,
            call: active.progress.call.clone(),
            intent: active.progress.intent.clone(),
            listed_s,
            is_live: active.progress.state != State::Unknown,
            permit: Permit {
                lease: Arc::clone(&self.shard.lease),
                permitted_at_boot_ms,
                send_deadline_ms,
            },
            reply: Reply::new(reply_to, active.id, active.progress.send),
        });
    }

    // ---- small things

    pub(super) fn due_ms(&self, pause: &Pause) -> i64 {
        let now_ms = self.shard.world.clock.wall_ms();
        let pause_ms = retry::pause_ms(pause, now_ms, self.shard.world.dice.roll());
        now_ms.saturating_add(i64::try_from(pause_ms).unwrap_or(i64::MAX))
    }

    /// The event that tells of a pending donation: once per kind, not per retry.
    pub(super) fn told_pending(
        &mut self,
        i: usize,
        due_ms: i64,
        kind: PendingKind,
    ) -> Option<Told> {
        let now_ms = self.shard.world.clock.wall_ms();
        let progress = &mut self.active[i].progress;
        if kind == PendingKind::Surplus || progress.was_told(kind) {
            return None; // what was told stands, or is told already
        }
        let what = match (kind, progress.duplicate_of) {
            (PendingKind::Held, Some(duplicate_of)) => What::NeedsConfirmation {
                duplicate_of,
                expires_at_ms: progress.hold_lapses_at_ms,
            },
            _ => What::Pending {
                kind,
                retry_at_ms: due_ms,
            },
        };
        Some(progress.tell(kind, now_ms, what))
    }
}

/// The kind of the pending row of a donation that nobody set aside.
fn kind_of(state: State) -> PendingKind {
    match state {
        State::Held => PendingKind::Held,
        State::Unknown => PendingKind::Unknown,
        state if state.is_terminal() => PendingKind::Surplus,
        _ => PendingKind::Retrying,
    }
}
