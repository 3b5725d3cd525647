-- The epoch of the owner that sent it. A donation's first send, which has no row while it is under way, is of the epoch in
-- `donation`.
ALTER TABLE send ADD COLUMN epoch INTEGER;
