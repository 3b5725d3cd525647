//! The life of one process: what a dead one is answered is heard by nobody, and a suspended one hears and says nothing
//! until it goes on, with its clock standing still.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use almoner_actors::ports::{Clock, Dice, Done, Dropped};

use crate::chance::Chance;
use crate::diary::lock;

/// What waits until a suspended process goes on.
type Waiting = Box<dyn FnOnce() + Send>;

/// A connection lives through a suspension of its process for so long.
const CONNECTION_MS: i64 = 5 * 60_000;

/// One process, as its ports see it.
pub struct Life {
    /// Counted from 1, over all of a history.
    pub number: u64,
    is_alive: AtomicBool,
    /// Since when it is suspended, boot clock; 0 if it is not.
    suspended_at_ms: AtomicI64,
    calls: Mutex<Vec<Waiting>>,
    answers: Mutex<Vec<Waiting>>,
}

impl Life {
    /// A new process.
    #[must_use]
    pub fn new(number: u64) -> Arc<Self> {
        Arc::new(Self {
            number,
            is_alive: AtomicBool::new(true),
            suspended_at_ms: AtomicI64::new(0),
            calls: Mutex::default(),
            answers: Mutex::default(),
        })
    }

    /// Whether it has not died.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Relaxed)
    }

    /// It dies.
    pub fn die(&self) {
        self.is_alive.store(false, Ordering::Relaxed);
        lock(&self.calls).clear();
        lock(&self.answers).clear();
    }

    /// Whether it is suspended.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended_at_ms.load(Ordering::Relaxed) != 0
    }

    /// It is suspended at this moment of the boot clock.
    pub fn suspend(&self, now_ms: i64) {
        self.suspended_at_ms.store(now_ms.max(1), Ordering::Relaxed);
    }

    /// It goes on. What it was about to send goes out if its connections still live; what it was answered, it hears.
    pub fn resume(&self, now_ms: i64) {
        let since_ms = self.suspended_at_ms.swap(0, Ordering::Relaxed);
        let calls = std::mem::take(&mut *lock(&self.calls));
        let answers = std::mem::take(&mut *lock(&self.answers));
        if now_ms - since_ms < CONNECTION_MS {
            calls.into_iter().for_each(|call| call());
        }
        answers.into_iter().for_each(|answer| answer());
    }

    /// Makes a call to the outside: now, when it goes on, or never.
    pub fn call(&self, call: impl FnOnce() + Send + 'static) {
        if !self.is_alive() {
            return;
        }
        match self.is_suspended() {
            true => lock(&self.calls).push(Box::new(call)),
            false => call(),
        }
    }

    /// A completion that is heard only by the living, and by the suspended later.
    pub fn heard<T: Dropped + Send + 'static>(self: &Arc<Self>, done: Done<T>) -> Done<T> {
        let life = Arc::clone(self);
        Done::new(move |answer| {
            if !life.is_alive() {
                std::mem::forget(done);
            } else if life.is_suspended() {
                let told = Told {
                    life: Arc::clone(&life),
                    done: Some((done, answer)),
                };
                lock(&life.answers).push(Box::new(move || told.tell()));
            } else {
                done.call(answer);
            }
        })
    }
}

/// An answer that waits for a suspended process.
struct Told<T: Dropped> {
    life: Arc<Life>,
    done: Option<(Done<T>, T)>,
}

impl<T: Dropped> Told<T> {
    fn tell(mut self) {
        if let Some((done, answer)) = self.done.take() {
            done.call(answer);
        }
    }
}

impl<T: Dropped> Drop for Told<T> {
    fn drop(&mut self) {
        if let Some((done, _)) = self.done.take()
            && !self.life.is_alive()
        {
            std::mem::forget(done);
        }
    }
}

/// The clock of one process: its wall clock is off by so much, and all stands still while it is suspended.
pub struct ProcessClock {
    /// True time.
    pub clock: Arc<dyn Clock>,
    /// Whose clock.
    pub life: Arc<Life>,
    /// How far its wall clock is off.
    pub skew_ms: i64,
}

impl Clock for ProcessClock {
    fn wall_ms(&self) -> i64 {
        let stands_for_ms = self.clock.boot_ms() - self.boot_ms();
        self.clock.wall_ms() - stands_for_ms + self.skew_ms
    }

    fn boot_ms(&self) -> i64 {
        match self.life.suspended_at_ms.load(Ordering::Relaxed) {
            0 => self.clock.boot_ms(),
            since_ms => since_ms,
        }
    }
}

/// Dice of one process.
pub struct ProcessDice(pub Mutex<Chance>);

impl Dice for ProcessDice {
    fn roll(&self) -> f64 {
        lock(&self.0).below(1 << 20) as f64 / f64::from(1 << 20)
    }
}
