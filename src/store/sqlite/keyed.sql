-- Ids go into `donation_key` in sorted batches, some thousand donations late: rows of `donation` below this one have theirs
-- there.
ALTER TABLE store ADD COLUMN keyed_below INTEGER NOT NULL DEFAULT 1;
UPDATE store SET keyed_below = (SELECT coalesce(max(seq), 0) + 1 FROM donation);
