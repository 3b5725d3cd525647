//! How a user actor drives a donation: an event goes in, the domain decides, the decision is made durable, then it is
//! carried out. Each step is one short function; a step that lost its condition in the store reads what is recorded
//! and goes on from there.

use std::sync::Arc;

use actix::prelude::{Addr, AsyncContext, Context};
use almoner_domain::answer::Answer;
use almoner_domain::donation::{
    Ending, Event, Next, Pause, PendingKind, Progress, State, Transition, Verdict,
};
use almoner_domain::duplicate::{Entry, Read, Settled, Standing};
use almoner_domain::ids::DonationId;
use almoner_domain::outcome::{Reason, Told, What};

use super::active::{Active, Load, Stage, Then};
use super::{STORE_PAUSE, Stored, StoredWhat, User};
use crate::campaign::{CardDeclined, Check, InFlight};
use crate::gateway::{Charge, Permit, Reply};
use crate::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Done, Dropped, Finish, FinishWrite, Finished,
    FirstState, Pending, Recorded,
};
use crate::retry;
use crate::router::{Departed, Fate, Fenced, Quiet, Refused};

type Ctx = Context<User>;

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

    // ---- accept

    /// The first write of the id: one insert-if-absent of the state that the checks computed.
    pub(super) fn accept_as(&mut self, i: usize, verdict: Verdict, ctx: &Ctx) {
        let Some(donation) = self.active[i].donation.clone() else {
            return;
        };
        let now = self.shard.now();
        let judged = donation.on(
            Progress::new(),
            Event::Judged(verdict),
            now,
            &self.shard.world.settings.rules,
        );
        let Transition { progress, next } = match judged {
            Ok(transition) => transition,
            Err(illegal) => {
                return self
                    .shard
                    .world
                    .telemetry
                    .illegal(self.active[i].id, &illegal);
            }
        };
        self.active[i].progress = progress;
        let first = match next {
            Next::Send | Next::Stay | Next::Settled => FirstState::Charging,
            Next::Wait { pause, kind } => self.first_pending(i, &pause, kind),
            Next::Finish(ending) => {
                let sequence = self.active[i].progress.sequence + 1;
                FirstState::Finished(Box::new(Finish {
                    ending,
                    at_ms: now.wall_ms,
                    sequence,
                }))
            }
        };
        self.active[i].stage = Stage::Accepting(first);
        self.write(i, ctx);
    }

    fn first_pending(&mut self, i: usize, pause: &Pause, kind: PendingKind) -> FirstState {
        let due_ms = self.due_ms(pause);
        let told = self.told_pending(i, due_ms, kind);
        let progress = Box::new(self.active[i].progress.clone());
        FirstState::Pending {
            pending: Pending {
                version: 1,
                due_ms,
                kind,
            },
            progress,
            told,
        }
    }

    pub(super) fn accepted(&mut self, i: usize, accepted: Accepted, ctx: &Ctx) {
        let row = match accepted {
            Accepted::New(row) => row,
            Accepted::Known(recorded) => return self.known(i, recorded, ctx),
            Accepted::Fenced => return self.fenced(i, ctx),
        };
        let active = &mut self.active[i];
        let first = match std::mem::replace(&mut active.stage, Stage::Sending) {
            Stage::Accepting(first) => first,
            other => return active.stage = other,
        };
        active.is_accepted = true;
        active.row = row;
        match first {
            FirstState::Charging => self.send(i, ctx),
            FirstState::Pending { pending, told, .. } => {
                active.version = pending.version;
                self.leave(
                    i,
                    told,
                    Fate::Pending {
                        due_ms: pending.due_ms,
                        kind: pending.kind,
                    },
                    ctx,
                );
            }
            FirstState::Finished(finish) => {
                self.count_finish(i, &finish);
                self.leave_finished(i, &finish, None, ctx);
            }
        }
    }

    /// The id was known: what is recorded decides, and what was computed is dropped.
    fn known(&mut self, i: usize, recorded: Box<Recorded>, ctx: &Ctx) {
        self.active[i].in_flight = None;
        let Some(asked) = self.active[i].donation.clone() else {
            return;
        };
        let known = &recorded.donation.request;
        let Err(field) = asked.request.same_content(known) else {
            self.put_window(&recorded);
            return self.resume(i, recorded, ctx);
        };
        let id = self.active[i].id;
        if known.user_id == asked.request.user_id {
            self.put_window(&recorded);
        } else {
            self.slot.window.borrow_mut().settle(id, Settled::Gone); // it is counted at its own user
        }
        self.active.swap_remove(i);
        let refused = Refused::id_reused(id, asked.place.clone(), field);
        self.shard.router.do_send(refused);
        self.give_turn_back(id, ctx);
    }

    // ---- what is recorded takes the place of what was known here

    /// Goes on from what the store says: republishes what is told, or takes over what is unfinished.
    pub(super) fn resume(&mut self, i: usize, recorded: Box<Recorded>, ctx: &Ctx) {
        self.put_recorded(i, &recorded);
        let Recorded {
            pending,
            finish,
            told,
            ..
        } = *recorded;
        if let Some(finish) = finish {
            return self.leave_finished(i, &finish, pending.as_ref(), ctx);
        }
        let id = self.active[i].id;
        match pending {
            Some((pending, _)) if !told.is_empty() => {
                self.leave(
                    i,
                    None,
                    Fate::Pending {
                        due_ms: pending.due_ms,
                        kind: pending.kind,
                    },
                    ctx,
                );
            }
            _ => {
                self.active[i].stage = Stage::Waiting;
                self.take_turn(id, ctx);
            }
        }
    }

    /// Takes over what the store recorded of the donation.
    pub(super) fn put_recorded(&mut self, i: usize, recorded: &Recorded) {
        let active = &mut self.active[i];
        active.is_accepted = true;
        active.row = recorded.row;
        active.donation = Some(Arc::clone(&recorded.donation));
        active.told = recorded.told.clone();
        active.answered_by = recorded.answered_by.clone();
        active.sends.clear();
        (active.version, active.progress) = match &recorded.pending {
            Some((pending, progress)) => (pending.version, progress.clone()),
            None => (0, Progress::first_sent(recorded.donation.accepted_at_ms)),
        };
        if let Some(finish) = &recorded.finish {
            let progress = std::mem::take(&mut active.progress);
            active.progress = progress.ended(&finish.ending);
            active.told.push(finish.told());
        }
    }

    /// A due donation that was read: it is taken on.
    pub(super) fn take_on(&mut self, i: usize, ctx: &Ctx) {
        let id = self.active[i].id;
        self.active[i].stage = Stage::Waiting;
        self.take_turn(id, ctx);
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
        let kind = match self.active[i].progress.state {
            State::Held => PendingKind::Held,
            State::Unknown => PendingKind::Unknown,
            state if state.is_terminal() => PendingKind::Surplus,
            _ => PendingKind::Retrying,
        };
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
        self.active[i].note_send();
        let settings = &self.shard.world.settings;
        let due_ms =
            self.active[i].progress.permitted_at_ms + settings.gateway_timeout_ms + SEND_GRACE_MS;
        let kind = match self.active[i].progress.state {
            State::Unknown => PendingKind::Unknown,
            state if state.is_terminal() => PendingKind::Surplus,
            _ => PendingKind::Retrying,
        };
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

    // ---- writes: each can be done again

    pub(super) fn advance(
        &mut self,
        i: usize,
        due_ms: i64,
        kind: PendingKind,
        told: Option<Told>,
        then: Then,
        ctx: &Ctx,
    ) {
        let active = &mut self.active[i];
        let write = AdvanceWrite {
            id: active.id,
            row: active.row,
            shard: self.shard.shard,
            epoch: self.shard.epoch.get(),
            seen_version: active.version,
            pending: Pending {
                version: active.version + 1,
                due_ms,
                kind,
            },
            progress: Box::new(active.progress.clone()),
            sends: std::mem::take(&mut active.sends),
            told,
            answered_by: active.answered_by.clone(),
        };
        active.stage = Stage::Advancing(Box::new(write), then);
        self.write(i, ctx);
    }

    pub(super) fn finish(&mut self, i: usize, finish: Finish, ctx: &Ctx) {
        let active = &mut self.active[i];
        let Some(donation) = active.donation.clone() else {
            return;
        };
        let write = FinishWrite {
            donation,
            row: active.row,
            finish,
            seen_version: active.version,
            surplus: (active.progress.has_surplus()).then(|| Box::new(active.progress.clone())),
            sends: std::mem::take(&mut active.sends),
            answered_by: active.answered_by.clone(),
        };
        active.stage = Stage::Finishing(Box::new(write));
        self.write(i, ctx);
    }

    /// Hands the stage's write or read to the store.
    fn write(&mut self, i: usize, ctx: &Ctx) {
        self.calls = self.calls.wrapping_add(1);
        let call = self.calls;
        self.active[i].call = call;
        let Active {
            id,
            ref stage,
            ref donation,
            ..
        } = *self.active[i];
        let store = &self.shard.world.store;
        let reply_to = self.address(ctx);
        match (stage, donation) {
            (Stage::Accepting(first), Some(donation)) => {
                let write = AcceptWrite {
                    donation: Arc::clone(donation),
                    shard: self.shard.shard,
                    epoch: self.shard.epoch.get(),
                    first: first.clone(),
                };
                store.accept(write, stored(reply_to, id, call, StoredWhat::Accept));
            }
            (Stage::Advancing(write, _), _) => {
                let done = stored(reply_to, id, call, StoredWhat::Advance);
                store.advance((**write).clone(), done);
            }
            (Stage::Finishing(write), _) => {
                let done = stored(reply_to, id, call, StoredWhat::Finish);
                store.finish((**write).clone(), done);
            }
            (Stage::Loading(_), _) => {
                store.load(id, stored(reply_to, id, call, StoredWhat::Load));
            }
            _ => {}
        }
    }

    /// The store is being opened again: whether the write is durable is not known, and doing it again is harmless.
    pub(super) fn store_again_later(&self, i: usize, ctx: &mut Ctx) {
        let (id, call) = (self.active[i].id, self.active[i].call);
        ctx.run_later(STORE_PAUSE, move |user, ctx| {
            if let Some(i) = user.find(id).filter(|i| user.active[*i].call == call) {
                user.write(i, ctx);
            }
        });
    }

    pub(super) fn advanced(&mut self, i: usize, advanced: Advanced, ctx: &Ctx) {
        let (write, then) = match std::mem::replace(&mut self.active[i].stage, Stage::Sending) {
            Stage::Advancing(write, then) => (write, then),
            other => return self.active[i].stage = other,
        };
        match advanced {
            Advanced::Done => {}
            // Our own write, done again after the store was opened again, finds itself.
            Advanced::Lost(recorded) if is_own(&write, &recorded) => {}
            Advanced::Lost(recorded) => return self.resume(i, recorded, ctx),
            Advanced::Fenced => return self.fenced(i, ctx),
        }
        self.active[i].version = write.pending.version;
        if !matches!(then, Then::Leave { .. }) {
            self.active[i].told.extend(write.told);
        }
        let id = self.active[i].id;
        match then {
            Then::Send => self.send(i, ctx),
            Then::Rest { due_ms } => {
                self.active[i].stage = Stage::Resting;
                self.active[i].in_flight = None;
                self.give_turn_back(id, ctx);
                self.shard.router.do_send(Quiet { id, due_ms });
            }
            Then::Leave { due_ms, kind, told } => {
                self.leave(i, told, Fate::Pending { due_ms, kind }, ctx)
            }
            Then::Settle => {
                let told = self.active[i].told.pop(); // the finish's
                let fate = Fate::Finished {
                    has_pending_row: true,
                };
                self.leave(i, told, fate, ctx);
            }
            Then::Queue if self.is_let_in() => self.take_on(i, ctx),
            Then::Queue => {
                let reason = Reason::VelocityBlocked;
                self.apply(i, Event::Judged(Verdict::Refuse { reason }), ctx);
            }
        }
    }

    pub(super) fn finished(&mut self, i: usize, finished: Finished, ctx: &Ctx) {
        let write = match std::mem::replace(&mut self.active[i].stage, Stage::Sending) {
            Stage::Finishing(write) => write,
            other => return self.active[i].stage = other,
        };
        match finished {
            Finished::Done => {
                self.count_finish(i, &write.finish);
                self.finish_durable(i, *write, ctx);
            }
            Finished::Already(recorded) => {
                self.finish_anew(i, write.finish.ending, recorded, ctx);
            }
        }
    }

    fn finish_durable(&mut self, i: usize, write: FinishWrite, ctx: &Ctx) {
        let FinishWrite {
            finish,
            surplus,
            seen_version,
            ..
        } = write;
        let pending = Pending {
            version: seen_version + 1,
            due_ms: finish.at_ms,
            kind: PendingKind::Surplus,
        };
        match surplus {
            Some(progress) => self.leave_finished(i, &finish, Some(&(pending, *progress)), ctx),
            None => self.leave_as(
                i,
                &finish,
                Fate::Finished {
                    has_pending_row: seen_version > 0,
                },
                ctx,
            ),
        }
    }

    /// Somebody else has brought it further meanwhile, or to its end. That it was charged is a fact still; what else was
    /// to be made of an answer is the business of whoever drives it.
    fn finish_anew(&mut self, i: usize, ending: Ending, recorded: Box<Recorded>, ctx: &Ctx) {
        let Some(intent) = ending.charged_intent() else {
            return self.resume(i, recorded, ctx);
        };
        self.put_recorded(i, &recorded);
        let answer = Answer::Intent(intent);
        if !self.apply_news(i, Event::Answered { send: 0, answer }, ctx) {
            self.resume(i, recorded, ctx);
        }
    }

    // ---- the send

    fn send(&mut self, i: usize, ctx: &Ctx) {
        let reply_to = self.address(ctx);
        let active = &mut self.active[i];
        let Some(donation) = active.donation.clone() else {
            return;
        };
        active.stage = Stage::Sending;
        let permitted_at_boot_ms = self.shard.world.clock.boot_ms();
        active.sent_boot_ms = permitted_at_boot_ms;
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
            },
            reply: Reply::new(reply_to, active.id, active.progress.send),
        });
    }

    // ---- leaving

    /// Another owner has the shard: whatever follows is its own. What was in flight here is dropped.
    fn fenced(&mut self, i: usize, ctx: &Ctx) {
        self.shard.lease.lose();
        self.shard.router.do_send(Fenced);
        self.drop_active(self.active[i].id, ctx);
    }

    /// It is no longer in flight here, and nothing came of it.
    pub(super) fn drop_active(&mut self, id: DonationId, ctx: &Ctx) {
        self.active.retain(|active| active.id != id);
        self.shard.router.do_send(Departed::dropped(id));
        self.give_turn_back(id, ctx);
    }

    /// Once per finish, not per repeat.
    fn count_finish(&self, i: usize, finish: &Finish) {
        self.shard.world.telemetry.finished(&finish.ending);
        let is_declined = finish.ending.attempts > 0 && finish.ending.state == State::Failed;
        if let Some(campaign) = self.active[i].campaign.as_ref().filter(|_| is_declined) {
            campaign.address.do_send(CardDeclined);
        }
    }

    /// It is told as it ended. A surplus is worked off after that; without one, a pending row is only the outbox.
    fn leave_finished(
        &mut self,
        i: usize,
        finish: &Finish,
        pending: Option<&(Pending, Progress)>,
        ctx: &Ctx,
    ) {
        let fate = match pending {
            Some((Pending { due_ms, kind, .. }, progress)) if progress.has_surplus() => {
                Fate::Pending {
                    due_ms: *due_ms,
                    kind: *kind,
                }
            }
            _ => Fate::Finished {
                has_pending_row: pending.is_some(),
            },
        };
        self.leave_as(i, finish, fate, ctx);
    }

    fn leave_as(&mut self, i: usize, finish: &Finish, fate: Fate, ctx: &Ctx) {
        let settled = if finish.ending.state == State::Succeeded {
            Settled::Counted
        } else {
            Settled::Gone
        };
        let id = self.active[i].id;
        self.slot.window.borrow_mut().settle(id, settled);
        let before = &mut self.active[i].told;
        before.retain(|told| told.sequence < finish.sequence);
        self.leave(i, Some(finish.told()), fate, ctx);
    }

    /// It is no longer in flight here: the router tells the world.
    pub(super) fn leave(&mut self, i: usize, told: Option<Told>, fate: Fate, ctx: &Ctx) {
        let active = self.active.swap_remove(i);
        if let Some(donation) = active.donation {
            self.shard.router.do_send(Departed {
                id: active.id,
                donation: Some(donation),
                told,
                told_before: active.told,
                fate,
            });
        }
        self.give_turn_back(active.id, ctx);
    }

    // ---- small things

    fn due_ms(&self, pause: &Pause) -> i64 {
        let now_ms = self.shard.world.clock.wall_ms();
        let pause_ms = retry::pause_ms(pause, now_ms, self.shard.world.dice.roll());
        now_ms.saturating_add(i64::try_from(pause_ms).unwrap_or(i64::MAX))
    }

    /// The event that tells of a pending donation: once per kind, not per retry.
    fn told_pending(&mut self, i: usize, due_ms: i64, kind: PendingKind) -> Option<Told> {
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

    /// The window's entry of a known donation is as old as the donation.
    pub(super) fn put_window(&self, recorded: &Recorded) {
        let mut window = self.slot.window.borrow_mut();
        let donation = &recorded.donation;
        let is_held = recorded
            .pending
            .as_ref()
            .is_some_and(|(_, progress)| progress.state == State::Held);
        let standing = match recorded.finish.as_ref().map(|finish| finish.ending.state) {
            Some(State::Succeeded) => Standing::Counted,
            Some(_) => {
                window.settle(donation.request.id, Settled::Gone);
                return;
            }
            None if is_held => Standing::Held,
            None => Standing::Open,
        };
        window.insert(Entry::new(&donation.request, Read::of(donation), standing));
    }

    pub(super) fn begin_load(&mut self, id: DonationId, load: Load, ctx: &Ctx) {
        let now_ms = self.shard.world.clock.wall_ms();
        self.active
            .push(Box::new(Active::unread(id, Stage::Loading(load), now_ms)));
        self.write(self.active.len() - 1, ctx);
    }
}

/// The store's answer to the user's write or read of this number.
fn stored<T: Dropped + 'static>(
    reply_to: Arc<Addr<User>>,
    id: DonationId,
    call: u32,
    what: fn(T) -> StoredWhat,
) -> Done<T> {
    Done::to(reply_to, move |result| {
        let what = what(result);
        Stored { id, call, what }
    })
}

/// Whether what is recorded is just what this write wanted to record.
fn is_own(write: &AdvanceWrite, recorded: &Recorded) -> bool {
    recorded.finish.is_none()
        && recorded
            .pending
            .as_ref()
            .is_some_and(|(pending, progress)| {
                pending.version == write.pending.version && *progress == *write.progress
            })
}
