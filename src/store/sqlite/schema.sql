-- Rows are appended and never updated, but for the small tables at the end. Times are milliseconds since 1970 (`_ms`)
-- or seconds (`_s`); small integers are the codes of codes.rs; blobs of events and progress are MessagePack, named maps.

-- This store: which one it is, so that its projection knows it, and which log it has read.
CREATE TABLE store (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    identity BLOB NOT NULL,
    log_generation INTEGER NOT NULL,
    -- How many partitions the requests topic has: a user's shard follows from it, so it is fixed by the first start.
    partitions INTEGER
) STRICT;
INSERT INTO store VALUES (1, randomblob(16), 1, NULL);

-- The permanent key: the first write of an id wins.
CREATE TABLE donation_key (
    id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A donation as it was accepted. From `body_version` and the request the frozen body is rebuilt.
CREATE TABLE donation (
    seq INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    recorded_at_ms INTEGER NOT NULL,
    id BLOB NOT NULL,
    user_id TEXT NOT NULL,
    campaign_id TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    payment_method TEXT NOT NULL,
    gateway_customer TEXT,
    body_version INTEGER NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    topic TEXT NOT NULL,
    "partition" INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    traceparent TEXT,
    correlation_id TEXT,
    information BLOB
) STRICT;

-- The finish is the movement: one row with both accounts, so it balances by construction, and its key makes a second
-- finish fail. Without a charge there is neither account nor amount.
CREATE TABLE finish (
    seq INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    reason INTEGER,
    decline_code TEXT,
    intent_id TEXT,
    charge_id TEXT,
    created_s INTEGER,
    at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    event_n INTEGER NOT NULL,
    debit INTEGER,
    credit INTEGER,
    amount_minor INTEGER,
    currency TEXT,
    day INTEGER
) STRICT;

-- Every send that was recorded, by its number.
CREATE TABLE send (
    seq INTEGER NOT NULL,
    n INTEGER NOT NULL,
    call TEXT NOT NULL,
    key TEXT,
    at_ms INTEGER NOT NULL,
    answer TEXT,
    PRIMARY KEY (seq, n)
) STRICT, WITHOUT ROWID;

-- Every event that is not in `finish`.
CREATE TABLE event (
    seq INTEGER NOT NULL,
    n INTEGER NOT NULL,
    told BLOB NOT NULL,
    PRIMARY KEY (seq, n)
) STRICT, WITHOUT ROWID;

-- The record with the user's answer to a hold: the first one wins.
CREATE TABLE hold_answer (
    seq INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    "partition" INTEGER NOT NULL,
    "offset" INTEGER NOT NULL
) STRICT;

-- What the store drives on, and what is to be told: the one table of a donation's whose rows change and go.
CREATE TABLE pending (
    seq INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    version INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    progress BLOB NOT NULL
) STRICT;
CREATE INDEX pending_due ON pending (shard, due_ms);

CREATE TABLE shard (
    shard INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    next_offset INTEGER,
    stream_ms INTEGER NOT NULL
) STRICT;

-- What the writer knew when the next row was `next_seq`: a start reads on from there instead of from the beginning.
CREATE TABLE tail (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    next_seq INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT;

CREATE TABLE campaign (
    campaign_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    status INTEGER NOT NULL,
    currency TEXT NOT NULL,
    creator_account TEXT NOT NULL,
    amount_minor_min INTEGER,
    amount_minor_max INTEGER,
    title TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The sums of the movements, by campaign, currency and the UTC day of the gateway's `created`.
CREATE TABLE campaign_day (
    campaign_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, currency, day)
) STRICT, WITHOUT ROWID;

-- The movements with their accounts spelt out, for a person.
CREATE VIEW movement AS
SELECT finish.seq,
       donation.id,
       CASE debit WHEN 1 THEN 'gateway_clearing' ELSE 'campaign:' || campaign_id END AS debit,
       CASE credit WHEN 1 THEN 'gateway_clearing' ELSE 'campaign:' || campaign_id END AS credit,
       finish.amount_minor,
       finish.currency,
       date(finish.day * 86400, 'unixepoch') AS day
FROM finish JOIN donation USING (seq)
WHERE debit IS NOT NULL;
