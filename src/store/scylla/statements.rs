//! Every statement, prepared once; what its table is for stands in `schema.rs`.

use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfileHandle;
use scylla::client::session::Session;
use scylla::errors::PrepareError;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};

/// How a statement is run.
#[derive(Clone, Copy)]
enum Run {
    /// A read of what was acknowledged.
    Read,
    /// A read that also settles a conditional write which is still under way.
    SerialRead,
    /// A write that may be repeated.
    Upsert,
    /// A conditional write: never repeated by the driver, since the second would find its own.
    Conditional,
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident: $run:ident, $cql:expr;)+) => {
        /// See the file's head.
        pub(super) struct Statements {
            $($(#[$doc])* pub(super) $name: PreparedStatement,)+
        }

        impl Statements {
            /// Prepares all of them in the session's keyspace.
            ///
            /// # Errors
            /// The server's.
            pub(super) async fn prepare(
                session: &Session,
                timeout: Duration,
                reading: &ExecutionProfileHandle,
            ) -> Result<Self, PrepareError> {
                Ok(Self {
                    $($name: prepare(session, $cql, Run::$run, timeout, reading).await?,)+
                })
            }
        }
    };
}

/// The columns of a donation.
macro_rules! donation_columns {
    () => {
        "id, revision, writer, shard, epoch, recorded_at_ms, accepted_at_ms, user_id, campaign_id, amount_minor, \
         currency, payment_method, gateway_customer, body_version, source_topic, source_partition, source_offset, \
         shard_offset, traceparent, correlation_id, information, version, due_ms, kind, progress, state, reason, \
         decline_code, intent_id, charge_id, created_s, finished_at_ms, attempts, sequence, answered_topic, \
         answered_partition, answered_offset, told"
    };
}

statements! {
    donation: Read, concat!("SELECT ", donation_columns!(), " FROM donation WHERE id = ?");
    donation_serial: SerialRead, concat!("SELECT ", donation_columns!(), " FROM donation WHERE id = ?");
    every_donation: Read, concat!("SELECT ", donation_columns!(), " FROM donation");
    /// The first write of an id.
    accept: Conditional,
        "INSERT INTO donation (id, revision, writer, shard, epoch, accepted_epoch, recorded_at_ms, accepted_at_ms, user_id, \
         campaign_id, amount_minor, currency, payment_method, gateway_customer, body_version, source_topic, \
         source_partition, source_offset, shard_offset, traceparent, correlation_id, information, version, due_ms, \
         kind, progress, state, reason, decline_code, intent_id, charge_id, created_s, finished_at_ms, attempts, \
         sequence, told) \
         VALUES (:id, :revision, :writer, :shard, :epoch, :accepted_epoch, :recorded_at_ms, :accepted_at_ms, :user_id, \
         :campaign_id, :amount_minor, :currency, :payment_method, :gateway_customer, :body_version, :source_topic, \
         :source_partition, :source_offset, :shard_offset, :traceparent, :correlation_id, :information, :version, \
         :due_ms, :kind, :progress, :state, :reason, :decline_code, :intent_id, :charge_id, :created_s, \
         :finished_at_ms, :attempts, :sequence, :told) IF NOT EXISTS";
    /// Every later write: its one condition is that nothing was written since the row was read.
    change: Conditional,
        "UPDATE donation SET revision = :revision, writer = :writer, epoch = :epoch, version = :version, \
         due_ms = :due_ms, kind = :kind, progress = :progress, state = :state, reason = :reason, \
         decline_code = :decline_code, intent_id = :intent_id, charge_id = :charge_id, created_s = :created_s, \
         finished_at_ms = :finished_at_ms, attempts = :attempts, sequence = :sequence, \
         answered_topic = :answered_topic, answered_partition = :answered_partition, \
         answered_offset = :answered_offset, told = told + :told, sends = sends + :sends \
         WHERE id = :id IF revision = :seen_revision";

    shard_serial: SerialRead,
        "SELECT shard, epoch, writer, next_offset, stream_ms, pending_from_hour FROM shard WHERE shard = ?";
    every_shard: Read, "SELECT shard, epoch, writer, next_offset, stream_ms, pending_from_hour FROM shard";
    new_shard: Conditional,
        "INSERT INTO shard (shard, epoch, writer, stream_ms) VALUES (?, ?, ?, 0) IF NOT EXISTS";
    claim: Conditional,
        "UPDATE shard SET epoch = :epoch, writer = :writer WHERE shard = :shard IF epoch = :seen_epoch";
    mark: Conditional,
        "UPDATE shard SET next_offset = :next_offset, stream_ms = :stream_ms WHERE shard = :shard IF epoch = :epoch";
    pending_from: Conditional,
        "UPDATE shard SET pending_from_hour = :hour WHERE shard = :shard IF epoch = :epoch";
    forget_offset: Conditional,
        "UPDATE shard SET next_offset = null WHERE shard = ? IF EXISTS";

    value_serial: SerialRead, "SELECT value FROM installation WHERE name = ?";
    new_value: Conditional, "INSERT INTO installation (name, value) VALUES (?, ?) IF NOT EXISTS";
    change_value: Conditional,
        "UPDATE installation SET value = :value WHERE name = :name IF value = :seen_value";

    campaign: Read,
        "SELECT campaign_id, revision, version, status, currency, creator_account, amount_minor_min, \
         amount_minor_max, title FROM campaign WHERE campaign_id = ?";
    new_campaign: Conditional,
        "INSERT INTO campaign (campaign_id, revision, version, status, currency, creator_account, \
         amount_minor_min, amount_minor_max, title) VALUES (:campaign_id, :revision, :version, :status, :currency, \
         :creator_account, :amount_minor_min, :amount_minor_max, :title) IF NOT EXISTS";
    change_campaign: Conditional,
        "UPDATE campaign SET revision = :revision, version = :version, status = :status, currency = :currency, \
         creator_account = :creator_account, amount_minor_min = :amount_minor_min, \
         amount_minor_max = :amount_minor_max, title = :title \
         WHERE campaign_id = :campaign_id IF revision = :seen_revision";

    campaign_day: Read,
        "SELECT buckets FROM campaign_day WHERE campaign_id = ? AND currency = ? AND day = ?";
    every_campaign_day: Read, "SELECT campaign_id, currency, day, buckets FROM campaign_day";
    new_campaign_day: Conditional,
        "INSERT INTO campaign_day (campaign_id, currency, day, buckets) VALUES (?, ?, ?, ?) IF NOT EXISTS";
    new_entry: Upsert,
        "INSERT INTO campaign_day_entry (campaign_id, currency, day, bucket, id, amount_minor) \
         VALUES (?, ?, ?, ?, ?, ?)";
    entries: Read,
        "SELECT id FROM campaign_day_entry \
         WHERE campaign_id = ? AND currency = ? AND day = ? AND bucket = ?";

    new_hour: Upsert, "INSERT INTO shard_hour (shard, series, hour) VALUES (?, ?, ?)";
    hours: Read, "SELECT hour FROM shard_hour WHERE shard = ? AND series = ? AND hour >= ?";
    new_arrival: Upsert,
        "INSERT INTO arrival (shard, hour, slot, recorded_at_ms, row_id, id) VALUES (?, ?, ?, ?, ?, ?)";
    arrivals: Read,
        "SELECT recorded_at_ms, row_id, id FROM arrival WHERE shard = ? AND hour = ? AND slot = ? \
         AND (recorded_at_ms, row_id) > (?, ?) LIMIT ?";
    new_pending: Upsert,
        "INSERT INTO pending (shard, hour, slot, due_ms, row_id, revision, id) VALUES (?, ?, ?, ?, ?, ?, ?)";
    drop_pending: Upsert,
        "DELETE FROM pending WHERE shard = ? AND hour = ? AND slot = ? AND due_ms = ? AND row_id = ? AND revision = ?";
    pendings: Read,
        "SELECT due_ms, row_id, revision, id FROM pending WHERE shard = ? AND hour = ? AND slot = ? \
         AND (due_ms, row_id, revision) > (?, ?, ?) LIMIT ?";
    new_of_user: Upsert,
        "INSERT INTO donation_by_user (user_id, month, recorded_at_ms, row_id, id) VALUES (?, ?, ?, ?, ?)";
    of_user: Read,
        "SELECT recorded_at_ms, row_id, id FROM donation_by_user WHERE user_id = ? AND month = ? \
         AND (recorded_at_ms, row_id) < (?, ?) LIMIT ?";

    new_letter_part: Upsert,
        "INSERT INTO kept_letter_part (topic, partition, record_offset, sha256, part, content) \
         VALUES (?, ?, ?, ?, ?, ?)";
    new_letter: Conditional,
        "INSERT INTO kept_letter (topic, partition, record_offset, sha256, letter_key, headers, value_bytes, kept_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, now()) IF NOT EXISTS";
    every_letter: Read,
        "SELECT topic, partition, record_offset, sha256, letter_key, headers, value_bytes, kept_at FROM kept_letter";
    letter_parts: Read,
        "SELECT content FROM kept_letter_part WHERE topic = ? AND partition = ? AND record_offset = ? AND sha256 = ?";
}

async fn prepare(
    session: &Session,
    cql: &str,
    run: Run,
    timeout: Duration,
    reading: &ExecutionProfileHandle,
) -> Result<PreparedStatement, PrepareError> {
    let mut statement = session.prepare(cql).await?;
    if let Run::Read = run {
        statement.set_execution_profile_handle(Some(reading.clone()));
    }
    statement.set_request_timeout(Some(timeout));
    statement.set_serial_consistency(Some(SerialConsistency::LocalSerial));
    statement.set_consistency(match run {
        Run::SerialRead => Consistency::LocalSerial,
        _ => Consistency::LocalQuorum,
    });
    // The driver repeats these by itself, and no others.
    statement.set_is_idempotent(matches!(run, Run::Read | Run::Upsert));
    Ok(statement)
}
