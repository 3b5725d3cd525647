//! The user actor: finds suspected doubles, and lets one charge of its user through at a time. It alone drives its
//! donations (files `accept`, `drive`, `writes`, `leave`): every event goes through the domain's one function, every decision is durable before the
//! next step.

mod accept;
mod active;
mod drive;
mod hold;
mod leave;
mod recorded;
mod slot;
mod turn;
mod writes;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::{Actor, Addr, AsyncContext, Context, Handler, Message, Supervised};
use almoner_domain::answer::Answer;
use almoner_domain::donation::{Donation, Event, Verdict};
use almoner_domain::duplicate::{Entry, Read, Standing};
use almoner_domain::ids::{DonationId, Place};
use almoner_domain::outcome::Reason;
use almoner_domain::request::HoldAnswer;
use smallvec::SmallVec;

use self::active::{Active, Load, Stage};
pub(crate) use self::slot::Slot;
use self::turn::Turn;
use crate::campaign::InFlight;
use crate::limiter::Limiter;
use crate::ports::{Accepted, Advanced, Finished, Inexpressible, Recorded, StoreError};
use crate::shard::ShardContext;

/// How long a write waits before it is done again, after the store said that it is being opened again.
pub const STORE_PAUSE: Duration = Duration::from_millis(250);

/// A window is pruned at this many entries even while several of its user's donations are in flight.
const BUSY_WINDOW_MAX: usize = 256;

/// How long a message waits that came between two steps.
const LATER: Duration = Duration::from_millis(50);

type Ctx = Context<User>;

/// One user in its shard.
pub struct User {
    shard: Rc<ShardContext>,
    /// What the check for doubles needs; the router keeps it through this actor's crashes.
    slot: Rc<Slot>,
    /// Boxed, since nearly always there is none: a user that rests is small.
    active: SmallVec<[Box<Active>; 1]>,
    turn: Turn,
    donations: Limiter,
    /// Writes and reads so far.
    calls: u32,
}

/// A request to give, for the first time in this owner's life or again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Donate {
    /// The donation as read.
    pub donation: Arc<Donation>,
}

/// The user's answer to a held donation.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AnswerHold {
    /// Which donation, and who answers.
    pub hold: HoldAnswer,
    /// Confirmed, or declined.
    pub confirmed: bool,
    /// The answer's offset in the shard's log.
    pub offset: i64,
    /// Where the answer stands: where it stood first, if it was forwarded.
    pub place: Place,
    /// The answer's record time: stream time.
    pub recorded_at_ms: i64,
}

/// A donation is due: it is read from the store, and goes on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Due {
    /// Which.
    pub id: DonationId,
}

/// A donation that rests in flight goes on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Wake {
    /// Which.
    pub id: DonationId,
}

/// A donation has been in flight for long: if it only waits for its turn, it becomes pending; if its send never came
/// back, that is no answer.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Overdue {
    /// Which.
    pub id: DonationId,
}

/// The shard is handed over: what was not accepted is dropped, for the new owner reads it again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain;

/// The drain's deadline is over: what is still on the wire becomes pending.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetAside;

/// The campaign's actor crashed: whoever waits for its answer asks again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AskAgain;

/// The campaign's answer.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Checked {
    /// Of which donation.
    pub id: DonationId,
    /// What it says.
    pub verdict: Verdict,
    /// With [`Verdict::Charge`]: its part of what the campaign lets be in flight.
    pub in_flight: Option<InFlight>,
}

/// The gateway's answer to one send.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Answered {
    /// Of which donation.
    pub id: DonationId,
    /// The send's number.
    pub send: u16,
    /// The answer.
    pub answer: Answer,
}

/// The send did not go out: the lease or the permission was too old. Nothing moved.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Unsent {
    /// Of which donation.
    pub id: DonationId,
    /// The send's number.
    pub send: u16,
}

/// What the store said to a write or a read of one donation.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stored {
    pub(crate) id: DonationId,
    /// The number of the write or read.
    pub(crate) call: u32,
    pub(crate) what: StoredWhat,
}

pub(crate) enum StoredWhat {
    Accept(Result<Accepted, StoreError>),
    Advance(Result<Advanced, StoreError>),
    Finish(Result<Finished, StoreError>),
    Load(Result<Option<Box<Recorded>>, StoreError>),
}

impl User {
    /// A user of which nothing is in flight.
    #[must_use]
    pub(crate) fn new(shard: Rc<ShardContext>, slot: Rc<Slot>) -> Self {
        let donations = Limiter::per_minute(shard.world.settings.user_per_minute_max);
        Self {
            shard,
            slot,
            active: SmallVec::new(),
            turn: Turn::default(),
            donations,
            calls: 0,
        }
    }

    /// Its own address, for whoever is to answer.
    fn address(&self, ctx: &Context<Self>) -> Arc<Addr<Self>> {
        self.slot
            .address()
            .unwrap_or_else(|| Arc::new(ctx.address()))
    }

    fn find(&self, id: DonationId) -> Option<usize> {
        self.active.iter().position(|active| active.id == id)
    }

    /// Whether the user's limits let one more donation in.
    fn is_let_in(&mut self) -> bool {
        let world = &self.shard.world;
        self.turn.waiting() < world.settings.user_waiting_max
            && self.donations.take(|| world.clock.boot_ms())
    }

    /// Whether it looks like a double; and from now on it is counted against others itself.
    fn check_window(&self, donation: &Donation) -> Option<Verdict> {
        let settings = &self.shard.world.settings;
        // As of the record, not of now: the shard's stream time may be far ahead in a backlog.
        let read = Read::of(donation);
        let mut window = self.slot.window.borrow_mut();
        // After a crash what is in flight is sent again in any order: what an earlier one may be a double of stays till then.
        if self.slot.is_alone_in_flight() || window.entries().len() > BUSY_WINDOW_MAX {
            window.prune(read.at_ms, settings.duplicate_window_ms);
        }
        let id = donation.request.id;
        let known = (window.entries().iter()).find(|entry| entry.id() == id);
        let known = known.map(|entry| entry.standing());
        if known == Some(Standing::Open) {
            return None; // it was let through, and is sent again after a crash: later ones are doubles of it
        }
        let suspect = window.suspect(&donation.request, read, settings.duplicate_window_ms);
        let others_held = window.held_count() - usize::from(known == Some(Standing::Held));
        let (verdict, standing) = match suspect {
            Some(_) if others_held >= settings.user_held_max => {
                let reason = Reason::VelocityBlocked;
                return Some(Verdict::Refuse { reason });
            }
            Some(duplicate_of) => (Some(Verdict::Hold { duplicate_of }), Standing::Held),
            None => (None, Standing::Open),
        };
        // What is known stays as it is: this request may use its id for something else.
        if known.is_none() {
            window.insert(Entry::new(&donation.request, read, standing));
        }
        verdict
    }
}

impl Actor for User {
    type Context = Context<Self>;
}

impl Supervised for User {
    /// All that was in flight is forgotten here; the router, which keeps it, sends it again.
    fn restarting(&mut self, _: &mut Self::Context) {
        self.active.clear();
        self.turn = Turn::default();
    }
}

impl Handler<Donate> for User {
    type Result = ();

    fn handle(&mut self, Donate { donation }: Donate, ctx: &mut Self::Context) {
        let id = donation.request.id;
        if let Some(i) = self.find(id) {
            if self.active[i].is_late_answer() {
                ctx.notify_later(Donate { donation }, LATER);
            }
            return; // else it was sent again after a crash elsewhere, and is in flight here
        }
        let now_ms = self.shard.world.clock.wall_ms();
        self.active
            .push(Box::new(Active::new(Arc::clone(&donation), now_ms)));
        let i = self.active.len() - 1;
        if donation.body_version == crate::intake::INEXPRESSIBLE {
            // Only that it cannot be said travelled here; why is asked again, since it is rare.
            let why = self.shard.world.gateway.freeze(&donation.request).err();
            let reason = why.unwrap_or(Inexpressible::Currency).reason();
            return self.accept_as(i, Verdict::Refuse { reason }, ctx);
        }
        match self.check_window(&donation) {
            Some(hold @ Verdict::Hold { .. }) => {
                self.active[i].hold_as = Some(hold);
                self.check_campaign(i, ctx);
            }
            Some(verdict) => self.accept_as(i, verdict, ctx),
            None if !self.is_let_in() => {
                let reason = Reason::VelocityBlocked;
                self.accept_as(i, Verdict::Refuse { reason }, ctx);
            }
            None => self.take_turn(id, ctx),
        }
    }
}

impl Handler<AnswerHold> for User {
    type Result = ();

    fn handle(&mut self, answer: AnswerHold, ctx: &mut Self::Context) {
        let id = answer.hold.id;
        match self.find(id) {
            None => self.begin_load(id, Load::HoldAnswer(Box::new(answer)), ctx),
            Some(i) if self.active[i].is_for(&answer) => {} // sent again after a crash elsewhere
            Some(_) => {
                ctx.notify_later(answer, LATER);
            }
        }
    }
}

impl Handler<Due> for User {
    type Result = ();

    fn handle(&mut self, Due { id }: Due, ctx: &mut Self::Context) {
        match self.find(id) {
            Some(i) if self.active[i].is_late_answer() => {
                ctx.notify_later(Due { id }, LATER);
            }
            Some(_) => {} // sent again after a crash elsewhere
            None => self.begin_load(id, Load::Due, ctx),
        }
    }
}

impl Handler<Wake> for User {
    type Result = ();

    fn handle(&mut self, Wake { id }: Wake, ctx: &mut Self::Context) {
        if let Some(i) = self.find(id)
            && matches!(self.active[i].stage, Stage::Resting)
        {
            self.take_on(i, ctx);
        }
    }
}

impl Handler<Overdue> for User {
    type Result = ();

    fn handle(&mut self, Overdue { id }: Overdue, ctx: &mut Self::Context) {
        if let Some(i) = self.find(id) {
            self.overdue(i, ctx);
        }
    }
}

impl Handler<Drain> for User {
    type Result = ();

    fn handle(&mut self, _: Drain, ctx: &mut Self::Context) {
        let unaccepted = |active: &Active| {
            !active.is_accepted
                && !active.is_late_answer()
                && matches!(
                    active.stage,
                    Stage::Waiting | Stage::Checking | Stage::Loading(_)
                )
        };
        let dropped: Vec<DonationId> = self
            .active
            .iter()
            .filter(|active| unaccepted(active))
            .map(|a| a.id)
            .collect();
        for id in dropped {
            self.drop_active(id, ctx);
        }
    }
}

impl Handler<SetAside> for User {
    type Result = ();

    fn handle(&mut self, _: SetAside, ctx: &mut Self::Context) {
        self.set_aside_all(ctx);
    }
}

impl Handler<AskAgain> for User {
    type Result = ();

    fn handle(&mut self, _: AskAgain, ctx: &mut Self::Context) {
        let waits = |active: &Active| matches!(active.stage, Stage::Checking);
        let ids: SmallVec<[DonationId; 1]> = self
            .active
            .iter()
            .filter(|it| waits(it))
            .map(|it| it.id)
            .collect();
        for id in ids {
            if let Some(i) = self.find(id) {
                self.check_campaign(i, ctx);
            }
        }
    }
}

impl Handler<Checked> for User {
    type Result = ();

    fn handle(&mut self, checked: Checked, ctx: &mut Self::Context) {
        let Checked {
            id,
            verdict,
            in_flight,
        } = checked;
        let Some(i) = self.find(id) else { return };
        if !matches!(self.active[i].stage, Stage::Checking) {
            return;
        }
        self.judged(i, verdict, in_flight, ctx);
    }
}

impl Handler<Answered> for User {
    type Result = ();

    fn handle(&mut self, answered: Answered, ctx: &mut Self::Context) {
        let Answered { id, send, answer } = answered;
        match self.find(id) {
            Some(i) if matches!(self.active[i].stage, Stage::Sending) => {
                self.active[i].note_answer(send, &answer, self.shard.epoch.get());
                self.apply(i, Event::Answered { send, answer }, ctx);
            }
            // It is just being set aside.
            Some(_) => {
                ctx.notify_later(Answered { id, send, answer }, LATER);
            }
            // It was set aside meanwhile. An answer is a fact, and a charge must be recorded by whoever learns of it.
            None => self.begin_load(
                id,
                Load::LateAnswer {
                    send,
                    answer: Box::new(answer),
                },
                ctx,
            ),
        }
    }
}

impl Handler<Unsent> for User {
    type Result = ();

    fn handle(&mut self, Unsent { id, send }: Unsent, ctx: &mut Self::Context) {
        let Some(i) = self.find(id) else { return };
        if matches!(self.active[i].stage, Stage::Sending) && self.active[i].progress.send == send {
            let answer = Answer::NotSent("the permission to send was too old".into());
            self.apply(i, Event::Answered { send, answer }, ctx);
        }
    }
}

impl Handler<Stored> for User {
    type Result = ();

    fn handle(&mut self, Stored { id, call, what }: Stored, ctx: &mut Self::Context) {
        let Some(i) = self.find(id).filter(|i| self.active[*i].call == call) else {
            return; // of before a crash
        };
        match what {
            StoredWhat::Accept(Ok(accepted)) => self.accepted(i, accepted, ctx),
            StoredWhat::Advance(Ok(advanced)) => self.advanced(i, advanced, ctx),
            StoredWhat::Finish(Ok(finished)) => self.finished(i, finished, ctx),
            StoredWhat::Load(Ok(recorded)) => self.loaded(i, recorded, ctx),
            StoredWhat::Accept(Err(_))
            | StoredWhat::Advance(Err(_))
            | StoredWhat::Finish(Err(_))
            | StoredWhat::Load(Err(_)) => self.store_again_later(i, ctx),
        }
    }
}
