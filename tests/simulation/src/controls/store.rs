//! Defects at the store's side.

use std::sync::Arc;

use almoner_actors::ports::{Accepted, Done, Finished, FirstState, Marked, RowId};

use crate::amiss::{RIGHT, Wrong};
use crate::defect::Defect;

pub(super) const FINISH_BEFORE_DURABLE: Defect = Defect {
    name: "a finish acknowledged before it is durable",
    store: Wrong {
        finish: |it, write, done| {
            it.inner.finish(write, Done::new(|_| {}));
            done.call(Ok(Finished::Done));
        },
        ..RIGHT
    },
    ..Defect::NONE
};

/// The row is guessed, so this goes well as long as nothing is lost.
pub(super) const ACCEPT_BEFORE_DURABLE: Defect = Defect {
    name: "an accept acknowledged before it is durable",
    store: Wrong {
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
    ..Defect::NONE
};

pub(super) const MARK_BEFORE_DURABLE: Defect = Defect {
    name: "a mark acknowledged before it is durable",
    store: Wrong {
        mark: |it, write, done| {
            it.inner.mark(write, Done::new(|_| {}));
            done.call(Ok(Marked::Done));
        },
        ..RIGHT
    },
    ..Defect::NONE
};

pub(super) const WINDOW_LOST: Defect = Defect {
    name: "the window lost at a takeover",
    store: Wrong {
        is_window_lost: true,
        ..RIGHT
    },
    ..Defect::NONE
};

/// The state is recorded, the movement is forgotten: it is booked on no day.
pub(super) const FINISH_WITHOUT_MOVEMENT: Defect = Defect {
    name: "a finish without its movement",
    store: Wrong {
        finish: |it, mut write, done| {
            write.finish.ending.created_s = Some(0);
            it.inner.finish(write, done);
        },
        ..RIGHT
    },
    ..Defect::NONE
};

pub(super) const DAY_OF_THE_CLOCK: Defect = Defect {
    name: "the entry's day taken from the clock",
    store: Wrong {
        finish: |it, mut write, done| {
            write.finish.ending.created_s = None;
            it.inner.finish(write, done);
        },
        ..RIGHT
    },
    ..Defect::NONE
};

/// The next sequence is counted from what one remembers.
pub(super) const SEQUENCE_COMPUTED: Defect = Defect {
    name: "a sequence computed instead of stored",
    store: Wrong {
        read: |mut recorded| {
            if let Some((_, progress)) = &mut recorded.pending {
                progress.sequence = 0;
                progress.told_kinds = 0;
            }
            recorded
        },
        ..RIGHT
    },
    ..Defect::NONE
};

pub(super) const PENDING_DELETED_EARLY: Defect = Defect {
    name: "a pending row deleted before the acknowledgement",
    store: Wrong {
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
    ..Defect::NONE
};

/// Who is refused by the checks is refused, whatever is recorded under its id.
pub(super) const CHECKS_BEFORE_INSERT: Defect = Defect {
    name: "checks before the insert: an old id gets a new fate",
    store: Wrong {
        accept: |it, write, done| match write.first {
            FirstState::Finished(_) => {
                it.inner.accept(
                    write,
                    Done::new(move |accepted| match accepted {
                        Ok(Accepted::Known(recorded)) => done.call(Ok(Accepted::New(recorded.row))),
                        other => done.call(other),
                    }),
                );
            }
            _ => it.inner.accept(write, done),
        },
        ..RIGHT
    },
    ..Defect::NONE
};

/// Writes of a former owner are taken as if they were the present one's.
pub(super) const UNFENCED: Defect = Defect {
    name: "writes of a former owner taken",
    store: Wrong {
        advance: |it, write, done| it.unfenced(write, 1, done),
        ..RIGHT
    },
    settings: |settings| settings.session_timeout_ms = 100 * 3_600_000,
    ..Defect::NONE
};

pub(super) const PENDING_FORGOTTEN: Defect = Defect {
    name: "a pending donation forgotten at restart",
    store: Wrong {
        is_pending_forgotten: true,
        ..RIGHT
    },
    ..Defect::NONE
};
