-- After a restore: what the gateway's list shows of donations that this store does not know yet. A row goes when its
-- donation is accepted.
CREATE TABLE sighted (
    id BLOB PRIMARY KEY,
    intent_id TEXT NOT NULL,
    is_charged INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
