//! The statements of every donation, prepared once for a connection.

use rusqlite::{Connection, Statement};

/// See the file's head.
pub(super) struct Statements<'c> {
    pub(super) donation_key: Statement<'c>,
    pub(super) key_row: Statement<'c>,
    pub(super) donation: Statement<'c>,
    pub(super) finish: Statement<'c>,
    pub(super) campaign_day: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            donation_key: connection.prepare(
                "INSERT INTO donation_key (id, seq) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
            )?,
            key_row: connection.prepare("SELECT seq FROM donation_key WHERE id = ?1")?,
            donation: connection.prepare(
                "INSERT INTO donation (seq, shard, recorded_at_ms, id, user_id, campaign_id, amount_minor, \
                 currency, payment_method, gateway_customer, body_version, accepted_at_ms, epoch, topic, \
                 \"partition\", \"offset\", traceparent, correlation_id, information, shard_offset) VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
            )?,
            finish: connection.prepare(
                "INSERT INTO finish (seq, state, reason, decline_code, intent_id, charge_id, created_s, at_ms, \
                 attempts, event_n, debit, credit, amount_minor, currency, day) VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?,
            campaign_day: connection.prepare(
                "INSERT INTO campaign_day (campaign_id, currency, day, count, amount_minor) \
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (campaign_id, currency, day) DO UPDATE SET \
                 count = count + excluded.count, amount_minor = amount_minor + excluded.amount_minor",
            )?,
        })
    }
}
