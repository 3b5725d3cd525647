-- Where the request stands in its shard's own log, if that is not "offset": topic, "partition" and "offset" say where a
-- forwarded one stood first.
ALTER TABLE donation ADD COLUMN shard_offset INTEGER;
