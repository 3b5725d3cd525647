-- Dead letters that are larger than the broker takes, whole, with masked card numbers. Appended, never changed.
CREATE TABLE dead_letter (
    n INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    "partition" INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    -- Of the value. Another log may have another letter at the same place.
    sha256 BLOB NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB NOT NULL,
    UNIQUE (topic, "partition", "offset", sha256)
) STRICT;
