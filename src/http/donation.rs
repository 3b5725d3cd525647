//! A donation as a front end sees it: fields and words are those of the outcomes, and what does not apply is left out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use almoner_actors::ports::{Finish, Pending, Recorded};
use almoner_domain::donation::{PendingKind, Progress, State};
use almoner_domain::keys;
use almoner_domain::outcome::{Reason, What};
use serde::Serialize;
use uuid::Uuid;

/// The body of a donation's state. It has no payment method and no address.
#[derive(Serialize)]
pub(super) struct DonationView<'a> {
    id: String,
    status: &'static str,
    user_id: &'a str,
    campaign_id: &'a str,
    amount_minor: u64,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_charge_id: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_id: Option<String>,
    attempts: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<PendingView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needs_confirmation: Option<Question>,
    accepted_at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'a str, &'a str>,
}

/// Why it takes long, and when it is looked at again.
#[derive(Serialize)]
struct PendingView {
    reason: &'static str,
    retry_at_ms: i64,
}

/// What the user is asked.
#[derive(Serialize)]
struct Question {
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<String>,
    expires_at_ms: i64,
}

impl<'a> From<&'a Recorded> for DonationView<'a> {
    fn from(recorded: &'a Recorded) -> Self {
        let request = &recorded.donation.request;
        let information = request.information.as_deref();
        let metadata = information.map_or(&[][..], |it| &it.metadata);
        let view = Self {
            id: request.id.to_string(),
            // Accepted, and nothing else is recorded: its first send was permitted by that.
            status: State::Charging.as_str(),
            user_id: request.user_id.as_str(),
            campaign_id: request.campaign_id.as_str(),
            amount_minor: request.amount.amount_minor(),
            currency: request.amount.currency().code(),
            reason: None,
            detail: None,
            decline_code: None,
            gateway_charge_id: None,
            receipt_id: None,
            attempts: 0,
            pending: None,
            needs_confirmation: None,
            accepted_at_ms: recorded.donation.accepted_at_ms,
            finished_at_ms: None,
            metadata: metadata
                .iter()
                .map(|(key, value)| (&**key, &**value))
                .collect(),
        };
        match (&recorded.finish, &recorded.pending) {
            // It may have a pending row yet: its outcome is not acknowledged, which is nothing to be told.
            (Some(finish), _) => view.finished(finish, keys::receipt_id(request.id)),
            (None, Some((pending, progress))) => view.unfinished(pending, progress),
            (None, None) => view,
        }
    }
}

impl<'a> DonationView<'a> {
    fn finished(mut self, finish: &'a Finish, receipt_id: Uuid) -> Self {
        let what = finish.told().what;
        self.status = finish.ending.state.as_str();
        self.reason = finish.ending.reason.map(Reason::as_str);
        self.detail = Some(what.detail());
        self.decline_code = finish.ending.decline_code.as_deref();
        self.attempts = finish.ending.attempts;
        self.finished_at_ms = Some(finish.at_ms);
        if let What::Succeeded { gateway_charge_id } = what {
            self.gateway_charge_id = Some(gateway_charge_id);
            self.receipt_id = Some(receipt_id.to_string());
        }
        self
    }

    fn unfinished(mut self, pending: &Pending, progress: &Progress) -> Self {
        let what = What::Pending {
            kind: pending.kind,
            retry_at_ms: pending.due_ms,
        };
        self.status = progress.state.as_str();
        self.detail = Some(what.detail());
        self.attempts = progress.attempts;
        if pending.kind == PendingKind::Held {
            self.needs_confirmation = Some(Question {
                duplicate_of: progress.duplicate_of.map(|id| id.to_string()),
                expires_at_ms: progress.hold_lapses_at_ms,
            });
        } else {
            self.pending = Some(PendingView {
                reason: pending.kind.as_str(),
                retry_at_ms: pending.due_ms,
            });
        }
        self
    }
}
