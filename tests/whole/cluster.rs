//! Several instances on a real Kafka and a real CQL server, as a cluster's users run them. `ALMONER_KAFKA` and
//! `ALMONER_CASSANDRA` say where the servers are; without them nothing is tested here, which is said once.

mod budget;
mod cut_off;
mod epochs;
mod handover;
mod members;
mod pauses;
mod proof;
