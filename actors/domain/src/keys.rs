//! Every key and id that goes downstream, derived from the donation's own id (I3), so that a retry after a crash
//! sends the same one. There is no other place that makes one.

use uuid::Uuid;

use crate::ids::{DonationId, Place};

/// The namespace of the event ids of `request.rejected`, which belong to a place in a log and to no donation.
const REJECTIONS: Uuid = Uuid::from_u128(0x6f0b_5c0e_5d0a_5c57_9a3f_2f4b_7c11_d2a6);

/// `{id}:charge:1`: the one call that creates and confirms the first intent.
#[must_use]
pub fn charge(id: DonationId) -> String {
    format!("{id}:charge:1")
}

/// `{id}:intent:{n}`: the nth creation of an unconfirmed intent (generation 2).
#[must_use]
pub fn intent(id: DonationId, n: u16) -> String {
    format!("{id}:intent:{n}")
}

/// `{id}:confirm:{n}`: the nth confirmation of the pinned intent.
#[must_use]
pub fn confirm(id: DonationId, n: u16) -> String {
    format!("{id}:confirm:{n}")
}

/// `{id}:cancel:{n}`: the nth cancellation of an intent.
#[must_use]
pub fn cancel(id: DonationId, n: u16) -> String {
    format!("{id}:cancel:{n}")
}

/// `{id}:cancel:{intent}:{n}`: the nth cancellation of an intent that is not the pinned one.
#[must_use]
pub fn discard(id: DonationId, intent: &str, n: u16) -> String {
    format!("{id}:cancel:{intent}:{n}")
}

/// `{id}:reversal:{intent}`: the refund of all that an intent charged that does not stand for the donation.
#[must_use]
pub fn reversal(id: DonationId, intent: &str) -> String {
    format!("{id}:reversal:{intent}")
}

/// The id of a donation's event: UUIDv5 in the donation's namespace, its name the decimal sequence.
#[must_use]
pub fn event_id(id: DonationId, sequence: u32) -> Uuid {
    Uuid::new_v5(&id.as_uuid(), sequence.to_string().as_bytes())
}

/// The id of a receipt: UUIDv5 in the donation's namespace, its name `receipt`.
#[must_use]
pub fn receipt_id(id: DonationId) -> Uuid {
    Uuid::new_v5(&id.as_uuid(), b"receipt")
}

/// The id of a `request.rejected`: UUIDv5 of `log generation/topic/partition/offset`.
#[must_use]
pub fn rejection_id(log_generation: u32, place: &Place) -> Uuid {
    Uuid::new_v5(&REJECTIONS, format!("{log_generation}/{place}").as_bytes())
}
