//! Defects at the store's side.

use std::sync::Arc;

use almoner_actors::ports::{
    AcceptWrite, Accepted, AdvanceWrite, Advanced, Claimed, Cursor, Done, FinishWrite, Finished,
    FirstState, MarkWrite, Marked, Recorded, RowId, Store, StoreError, Unfinished, WindowEntry,
};
use almoner_domain::campaign::{Campaign, CampaignChange};
use almoner_domain::ids::{CampaignId, DonationId, Shard};

use crate::defect::Defect;
use crate::ports::{Port, Ports};

/// What is wrong with the store. What a field leaves alone is as it should be.
#[derive(Clone, Copy)]
struct Wrong {
    accept: fn(&Amiss, AcceptWrite, Done<Result<Accepted, StoreError>>),
    advance: fn(&Amiss, AdvanceWrite, Done<Result<Advanced, StoreError>>),
    finish: fn(&Amiss, FinishWrite, Done<Result<Finished, StoreError>>),
    mark: fn(&Amiss, MarkWrite, Done<Result<Marked, StoreError>>),
    read: fn(Recorded) -> Recorded,
    is_window_lost: bool,
    is_pending_forgotten: bool,
}

const RIGHT: Wrong = Wrong {
    accept: |it, write, done| it.inner.accept(write, done),
    advance: |it, write, done| it.inner.advance(write, done),
    finish: |it, write, done| it.inner.finish(write, done),
    mark: |it, write, done| it.inner.mark(write, done),
    read: |recorded| recorded,
    is_window_lost: false,
    is_pending_forgotten: false,
};

pub(super) const FINISH_BEFORE_DURABLE: Defect = Defect {
    name: "a finish acknowledged before it is durable",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                finish: |it, write, done| {
                    it.inner.finish(write, Done::new(|_| {}));
                    done.call(Ok(Finished::Done));
                },
                ..RIGHT
            },
        )
    },
    ..Defect::NONE
};

/// The row is guessed, so this goes well as long as nothing is lost.
pub(super) const ACCEPT_BEFORE_DURABLE: Defect = Defect {
    name: "an accept acknowledged before it is durable",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                accept: |it, write, done| {
                    let rows = &it.port.outside.disk.rows;
                    if rows.recorded(write.donation.request.id).is_some() {
                        return it.inner.accept(write, done);
                    }
                    let row = RowId(rows.len() as i64 + 1);
                    it.inner.accept(write, Done::new(|_| {}));
                    done.call(Ok(Accepted::New(row)));
                },
                ..RIGHT
            },
        )
    },
    ..Defect::NONE
};

pub(super) const MARK_BEFORE_DURABLE: Defect = Defect {
    name: "a mark acknowledged before it is durable",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                mark: |it, write, done| {
                    it.inner.mark(write, Done::new(|_| {}));
                    done.call(Ok(Marked::Done));
                },
                ..RIGHT
            },
        )
    },
    ..Defect::NONE
};

pub(super) const WINDOW_LOST: Defect = Defect {
    name: "the window lost at a takeover",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                is_window_lost: true,
                ..RIGHT
            },
        )
    },
    ..Defect::NONE
};

/// The state is recorded, the movement is forgotten: it is booked on no day.
pub(super) const FINISH_WITHOUT_MOVEMENT: Defect = Defect {
    name: "a finish without its movement",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                finish: |it, mut write, done| {
                    write.finish.ending.created_s = Some(0);
                    it.inner.finish(write, done);
                },
                ..RIGHT
            },
        )
    },
    ..Defect::NONE
};

pub(super) const DAY_OF_THE_CLOCK: Defect = Defect {
    name: "the entry's day taken from the clock",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                finish: |it, mut write, done| {
                    write.finish.ending.created_s = None;
                    it.inner.finish(write, done);
                },
                ..RIGHT
            },
        )
    },
    ..Defect::NONE
};

/// The next sequence is counted from what one remembers.
pub(super) const SEQUENCE_COMPUTED: Defect = Defect {
    name: "a sequence computed instead of stored",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                read: |mut recorded| {
                    if let Some((_, progress)) = &mut recorded.pending {
                        progress.sequence = 0;
                        progress.told_kinds = 0;
                    }
                    recorded
                },
                ..RIGHT
            },
        )
    },
    ..Defect::NONE
};

pub(super) const PENDING_DELETED_EARLY: Defect = Defect {
    name: "a pending row deleted before the acknowledgement",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                finish: |it, write, done| {
                    let (id, store) = (write.donation.request.id, Arc::clone(&it.inner));
                    it.inner.finish(
                        write,
                        Done::new(move |finished| {
                            store.acknowledged(id, Done::new(|_| {}));
                            done.call(finished);
                        }),
                    );
                },
                ..RIGHT
            },
        )
    },
    ..Defect::NONE
};

/// Who is refused by the checks is refused, whatever is recorded under its id.
pub(super) const CHECKS_BEFORE_INSERT: Defect = Defect {
    name: "checks before the insert: an old id gets a new fate",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                accept: |it, write, done| match write.first {
                    FirstState::Finished(_) => {
                        it.inner.accept(
                            write,
                            Done::new(move |accepted| match accepted {
                                Ok(Accepted::Known(recorded)) => {
                                    done.call(Ok(Accepted::New(recorded.row)))
                                }
                                other => done.call(other),
                            }),
                        );
                    }
                    _ => it.inner.accept(write, done),
                },
                ..RIGHT
            },
        )
    },
    ..Defect::NONE
};

/// Writes of a former owner are taken as if they were the present one's.
pub(super) const UNFENCED: Defect = Defect {
    name: "writes of a former owner taken",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                advance: |it, write, done| it.unfenced(write, 1, done),
                ..RIGHT
            },
        )
    },
    settings: |settings| settings.session_timeout_ms = 100 * 3_600_000,
    ..Defect::NONE
};

pub(super) const PENDING_FORGOTTEN: Defect = Defect {
    name: "a pending donation forgotten at restart",
    ports: |ports, port| {
        amiss(
            ports,
            port,
            Wrong {
                is_pending_forgotten: true,
                ..RIGHT
            },
        )
    },
    ..Defect::NONE
};

/// A store with which something is wrong.
struct Amiss {
    inner: Arc<dyn Store>,
    port: Arc<Port>,
    wrong: Wrong,
}

fn amiss(ports: Ports, port: &Arc<Port>, wrong: Wrong) -> Ports {
    let store = Arc::new(Amiss {
        inner: ports.store,
        port: Arc::clone(port),
        wrong,
    });
    Ports { store, ..ports }
}

impl Amiss {
    /// Tries one epoch after the other until one is the shard's.
    fn unfenced(&self, write: AdvanceWrite, ahead: u64, done: Done<Result<Advanced, StoreError>>) {
        const EPOCHS_AHEAD_MAX: u64 = 50;
        let again = AdvanceWrite {
            epoch: write.epoch + 1,
            ..write.clone()
        };
        let next = Self {
            inner: Arc::clone(&self.inner),
            port: Arc::clone(&self.port),
            wrong: self.wrong,
        };
        self.inner.advance(
            write,
            Done::new(move |advanced| match advanced {
                Ok(Advanced::Fenced) if ahead < EPOCHS_AHEAD_MAX => {
                    next.unfenced(again, ahead + 1, done)
                }
                other => done.call(other),
            }),
        );
    }
}

impl Store for Amiss {
    fn accept(&self, write: AcceptWrite, done: Done<Result<Accepted, StoreError>>) {
        (self.wrong.accept)(self, write, done);
    }

    fn advance(&self, write: AdvanceWrite, done: Done<Result<Advanced, StoreError>>) {
        (self.wrong.advance)(self, write, done);
    }

    fn finish(&self, write: FinishWrite, done: Done<Result<Finished, StoreError>>) {
        (self.wrong.finish)(self, write, done);
    }

    fn acknowledged(&self, id: DonationId, done: Done<Result<(), StoreError>>) {
        self.inner.acknowledged(id, done);
    }

    fn load(&self, id: DonationId, done: Done<Result<Option<Box<Recorded>>, StoreError>>) {
        let read = self.wrong.read;
        let heard = move |loaded: Result<Option<Box<Recorded>>, StoreError>| {
            done.call(loaded.map(|found| found.map(|recorded| Box::new(read(*recorded)))));
        };
        self.inner.load(id, Done::new(heard));
    }

    fn claim(&self, shard: Shard, done: Done<Result<Claimed, StoreError>>) {
        self.inner.claim(shard, done);
    }

    fn mark(&self, mark: MarkWrite, done: Done<Result<Marked, StoreError>>) {
        (self.wrong.mark)(self, mark, done);
    }

    fn recent(
        &self,
        shard: Shard,
        since_stream_ms: i64,
        after: Cursor,
        done: Done<Result<(Vec<WindowEntry>, Option<Cursor>), StoreError>>,
    ) {
        if self.wrong.is_window_lost {
            return done.call(Ok((Vec::new(), None)));
        }
        self.inner.recent(shard, since_stream_ms, after, done);
    }

    fn unfinished(
        &self,
        shard: Shard,
        after: Cursor,
        done: Done<Result<(Vec<Unfinished>, Option<Cursor>), StoreError>>,
    ) {
        if self.wrong.is_pending_forgotten {
            return done.call(Ok((Vec::new(), None)));
        }
        self.inner.unfinished(shard, after, done);
    }

    fn campaign(&self, id: CampaignId, done: Done<Result<Option<Arc<Campaign>>, StoreError>>) {
        self.inner.campaign(id, done);
    }

    fn put_campaign(&self, change: CampaignChange, done: Done<Result<(), StoreError>>) {
        self.inner.put_campaign(change, done);
    }
}
