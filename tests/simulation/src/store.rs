//! The store, honest about durability: what was handed to it becomes durable with the next commit, in groups, and until
//! then a crash loses it: all of it, or all but the first few.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::{Done, StoreError};

use crate::diary::lock;

/// What becomes of an operation that waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is durable and answered.
    Done,
    /// It is durable, and its caller is told that it may not be.
    Unanswered,
    /// It is lost, and its caller is told that it may be.
    Lost,
}

/// Does an operation, or not, and tells its caller.
type Run = Box<dyn FnOnce(&MemoryStore, End) + Send>;

struct Operation {
    process: u64,
    run: Run,
}

/// The store that all processes share.
#[derive(Default)]
pub struct Disk {
    /// What is durable.
    pub rows: MemoryStore,
    /// The copy that was made of it last.
    pub backup: Mutex<Option<MemoryStore>>,
    waiting: Mutex<VecDeque<Operation>>,
    is_down: AtomicBool,
}

impl Disk {
    /// Takes an operation of a process: it is durable, and answered, once the next group is committed.
    pub fn submit<T: Send + 'static>(
        self: &Arc<Self>,
        process: u64,
        commit_after_ms: u64,
        done: Done<Result<T, StoreError>>,
        call: impl FnOnce(&MemoryStore, Done<Result<T, StoreError>>) + Send + 'static,
    ) {
        if self.is_down.load(Ordering::Relaxed) {
            return done.call(Err(poisoned()));
        }
        let run = move |rows: &MemoryStore, end: End| match end {
            End::Done => call(rows, done),
            End::Unanswered => call(rows, Done::new(move |_| done.call(Err(poisoned())))),
            End::Lost => done.call(Err(poisoned())),
        };
        let is_first = {
            let mut waiting = lock(&self.waiting);
            waiting.push_back(Operation {
                process,
                run: Box::new(run),
            });
            waiting.len() == 1
        };
        if is_first {
            let disk = Arc::clone(self);
            actix::spawn(async move {
                tokio::time::sleep(Duration::from_millis(commit_after_ms)).await;
                disk.end_all(End::Done);
            });
        }
    }

    /// How many operations of this process wait.
    #[must_use]
    pub fn waiting_of(&self, process: u64) -> usize {
        lock(&self.waiting)
            .iter()
            .filter(|it| it.process == process)
            .count()
    }

    /// The process died: the first `durable` of its operations that wait are durable nevertheless, the others are lost.
    pub fn crash(&self, process: u64, durable: usize) {
        let all = std::mem::take(&mut *lock(&self.waiting));
        let (its, others) = all
            .into_iter()
            .partition(|it: &Operation| it.process == process);
        *lock(&self.waiting) = others;
        for (i, operation) in VecDeque::into_iter(its).enumerate() {
            (operation.run)(
                &self.rows,
                if i < durable {
                    End::Unanswered
                } else {
                    End::Lost
                },
            );
        }
    }

    /// A commit fails. Whether its group is durable nevertheless is known only once the store is open again.
    pub fn fail(&self, is_durable: bool) {
        self.is_down.store(true, Ordering::Relaxed);
        self.end_all(if is_durable {
            End::Unanswered
        } else {
            End::Lost
        });
    }

    /// It is open again.
    pub fn open(&self) {
        self.is_down.store(false, Ordering::Relaxed);
    }

    fn end_all(&self, end: End) {
        let all = std::mem::take(&mut *lock(&self.waiting));
        for operation in all {
            (operation.run)(&self.rows, end);
        }
    }
}

fn poisoned() -> StoreError {
    StoreError::Poisoned("planned".into())
}
