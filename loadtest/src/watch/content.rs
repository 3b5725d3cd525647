//! Whether two copies of an event say the same: a hash of everything but the request that a copy answers.

use std::hash::{BuildHasher, Hash, Hasher};

use almoner_domain::card_number::mask_message;
use almoner_domain::outcome::OutcomeView;
use foldhash::fast::FixedState;

/// The hash of an event's content, never 0.
pub(super) fn hash(outcome: &OutcomeView<'_>) -> u32 {
    // Every field is named, so that one that is added must be thought of here.
    let OutcomeView {
        event_id,
        sequence,
        event_type,
        donation_id,
        user_id,
        campaign_id,
        amount_minor,
        currency,
        status,
        reason,
        detail,
        decline_code,
        gateway_charge_id,
        receipt_id,
        duplicate_of,
        expires_at_ms,
        retry_at_ms,
        attempts,
        occurred_at_ms,
        metadata,
        source: _,
        request_type,
        field,
    } = outcome;
    let mut hasher = FixedState::default().build_hasher();
    (
        event_id.as_u128(),
        sequence,
        event_type,
        donation_id,
        user_id,
    )
        .hash(&mut hasher);
    (campaign_id, amount_minor, currency, status, reason, detail).hash(&mut hasher);
    (decline_code, gateway_charge_id, receipt_id, duplicate_of).hash(&mut hasher);
    (expires_at_ms, retry_at_ms, attempts, occurred_at_ms).hash(&mut hasher);
    (metadata, request_type, field).hash(&mut hasher);
    folded(hasher.finish())
}

/// The hash of a request's bytes as a dead letter shows them: by it garbage is known again.
pub(super) fn masked_hash(value: &[u8]) -> u64 {
    let mut masked = value.to_vec();
    mask_message(&mut masked);
    FixedState::default().hash_one(masked)
}

/// Half as long, and never 0, which stands for nothing.
pub(super) fn folded(hash: u64) -> u32 {
    ((hash >> 32) as u32 ^ hash as u32).max(1)
}
