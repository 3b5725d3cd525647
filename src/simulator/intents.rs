//! A payment intent: what each request makes of it (pure decisions to events), and what events make of it.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::answer::ApiError;
use super::decline::Decline;
use super::event::{CancelReason, Event, Terms};
use super::ids::{ChargeId, IntentId};
use super::method::{Behaviour, behaviour};

/// What one request does: mostly one event.
pub(crate) type Events = SmallVec<[Event; 2]>;

/// Stripe's states of an intent that is captured at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing to charge; also after a decline.
    RequiresPaymentMethod,
    /// Waits to be confirmed.
    RequiresConfirmation,
    /// Waits for the user.
    RequiresAction,
    /// Waits for the card.
    Processing,
    /// Charged.
    Succeeded,
    /// Will never charge.
    Canceled,
}

impl Status {
    /// Stripe's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// An intent as it stood between two changes. Versions are kept, since stored answers name them.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) status: Status,
    /// How many charges had been tried.
    pub(crate) charges: u8,
    pub(crate) decline: Option<Decline>,
    pub(crate) method: Option<Arc<str>>,
    pub(crate) refunded: i64,
    pub(crate) canceled: Option<(i64, CancelReason)>,
}

/// A try on a card.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) created_ms: i64,
    pub(crate) method: Arc<str>,
    pub(crate) decline: Option<Decline>,
}

/// What will happen by itself.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) at_ms: i64,
    what: DueKind,
}

#[derive(Clone, Debug)]
enum DueKind {
    /// The card's answer.
    Settle { charge: ChargeId, method: Arc<str> },
    /// A confirm that was left indeterminate.
    Confirm { method: Arc<str>, off_session: bool },
}

/// How a confirm is to be carried out.
pub(crate) struct Confirm<'a> {
    pub(crate) method: Option<&'a Arc<str>>,
    pub(crate) off_session: bool,
    pub(crate) error_on_action: bool,
}

/// A payment intent.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) id: IntentId,
    pub(crate) terms: Arc<Terms>,
    versions: SmallVec<[Version; 2]>,
    charges: SmallVec<[Charge; 1]>,
    pub(crate) due: Option<Due>,
    pub(crate) visible_from_ms: i64,
}

impl Intent {
    /// An intent that was just created.
    pub(crate) fn new(id: IntentId, terms: Arc<Terms>, visible_from_ms: Option<i64>) -> Self {
        let method = terms.payment_method.clone();
        let status = match method {
            Some(_) => Status::RequiresConfirmation,
            None => Status::RequiresPaymentMethod,
        };
        let first = Version {
            status,
            charges: 0,
            decline: None,
            method,
            refunded: 0,
            canceled: None,
        };
        Self {
            id,
            terms,
            versions: smallvec![first],
            charges: SmallVec::new(),
            due: None,
            visible_from_ms: visible_from_ms.unwrap_or(0),
        }
    }

    /// The number of its latest version.
    pub(crate) fn version(&self) -> u16 {
        u16::try_from(self.versions.len() - 1).unwrap_or(u16::MAX)
    }

    pub(crate) fn at(&self, version: u16) -> &Version {
        let last = self.versions.len() - 1;
        &self.versions[usize::from(version).min(last)]
    }

    pub(crate) fn now(&self) -> &Version {
        self.at(u16::MAX)
    }

    pub(crate) fn charge(&self, nth: u8) -> Option<&Charge> {
        self.charges.get(usize::from(nth))
    }

    /// How often a card refused.
    pub(crate) fn declines(&self) -> usize {
        self.charges
            .iter()
            .filter(|charge| charge.decline.is_some())
            .count()
    }

    /// Decides a confirm: the events that it causes, or why it is refused.
    pub(crate) fn confirm(
        &self,
        confirm: &Confirm<'_>,
        now_ms: i64,
        confirms_max: u8,
    ) -> Result<Events, ApiError> {
        let now = self.now();
        match now.status {
            Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction => {}
            Status::Succeeded => return Err(self.refuse("confirm this PaymentIntent because it has already succeeded after being previously confirmed")),
            Status::Processing | Status::Canceled => {
                let text = format!("confirm this PaymentIntent because it has a status of {}", now.status.as_str());
                return Err(self.refuse(&text));
            }
        }
        let intent = self.id;
        if now.charges >= confirms_max {
            let reason = CancelReason::Automatic;
            return Ok(smallvec![Event::Canceled { intent, reason }]);
        }
        let Some(method) = confirm.method.or(now.method.as_ref()) else {
            return Err(self.refuse(
                "confirm this PaymentIntent because it's missing a payment method. You can either update the \
                 PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a \
                 payment method or ConfirmationToken",
            ));
        };
        let method = method.clone();
        let nth = now.charges;
        let charge = ChargeId { intent, nth };
        let declined = |payment_method: Arc<str>, decline| Event::Declined {
            intent,
            charge,
            payment_method,
            decline,
        };
        let event = match behaviour(&method) {
            Behaviour::Succeeds => self.charged(charge, method),
            Behaviour::SoftDeclines(times) if u32::from(nth) >= times => {
                self.charged(charge, method)
            }
            Behaviour::SoftDeclines(_) => declined(method, Decline::ProcessingError),
            Behaviour::Declines(decline) => declined(method, decline),
            Behaviour::NeedsAuthentication if confirm.off_session => {
                declined(method, Decline::AuthenticationRequired)
            }
            Behaviour::NeedsAuthentication | Behaviour::NeedsAction if confirm.error_on_action => {
                declined(method, Decline::AuthenticationRequired)
            }
            Behaviour::NeedsAuthentication | Behaviour::NeedsAction => Event::ActionRequired {
                intent,
                payment_method: method,
            },
            Behaviour::Processes(ms) => Event::Processing {
                intent,
                charge,
                payment_method: method,
                until_ms: now_ms + i64::from(ms),
            },
            Behaviour::Missing => {
                return Err(ApiError::missing(
                    "PaymentMethod",
                    &method,
                    "payment_method",
                    400,
                ));
            }
        };
        Ok(smallvec![event])
    }

    /// Decides a cancel.
    pub(crate) fn cancel(&self, reason: CancelReason) -> Result<Events, ApiError> {
        let status = self.now().status;
        match status {
            Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction => {
                let intent = self.id;
                Ok(smallvec![Event::Canceled { intent, reason }])
            }
            Status::Processing | Status::Succeeded | Status::Canceled => Err(self.refuse(&format!(
                "cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of the \
                 following statuses may be canceled: requires_payment_method, requires_capture, requires_confirmation, \
                 requires_action",
                status.as_str()
            ))),
        }
    }

    /// What has become due by itself.
    pub(crate) fn settle(&self, now_ms: i64, confirms_max: u8) -> Events {
        let due = self.due.as_ref().filter(|due| due.at_ms <= now_ms);
        match due.map(|due| &due.what) {
            None => Events::new(),
            Some(DueKind::Settle { charge, method }) => {
                smallvec![self.charged(*charge, method.clone())]
            }
            Some(DueKind::Confirm {
                method,
                off_session,
            }) => {
                let confirm = Confirm {
                    method: Some(method),
                    off_session: *off_session,
                    error_on_action: false,
                };
                let mut events: Events = smallvec![Event::Resumed { intent: self.id }];
                // Refused means that another confirm or a cancel came first: then nothing more happens.
                events.extend(
                    self.confirm(&confirm, now_ms, confirms_max)
                        .unwrap_or_default(),
                );
                events
            }
        }
    }

    /// Carries an event out. Events of other objects change nothing here.
    pub(crate) fn apply(&mut self, event: &Event, at_ms: i64) {
        let mut next = self.now().clone();
        match event {
            Event::Charged {
                charge,
                payment_method,
                ..
            } => {
                next.status = Status::Succeeded;
                next.decline = None;
                self.due = None;
                self.charged_with(&mut next, *charge, payment_method, None, at_ms);
            }
            Event::Declined {
                charge,
                payment_method,
                decline,
                ..
            } => {
                next.status = Status::RequiresPaymentMethod;
                next.decline = Some(*decline);
                self.charged_with(&mut next, *charge, payment_method, Some(*decline), at_ms);
                next.method = None;
            }
            Event::Processing {
                charge,
                payment_method,
                until_ms,
                ..
            } => {
                next.status = Status::Processing;
                next.decline = None;
                self.charged_with(&mut next, *charge, payment_method, None, at_ms);
                let what = DueKind::Settle {
                    charge: *charge,
                    method: payment_method.clone(),
                };
                self.due = Some(Due {
                    at_ms: *until_ms,
                    what,
                });
            }
            Event::ActionRequired { payment_method, .. } => {
                next.status = Status::RequiresAction;
                next.decline = None;
                next.method = Some(payment_method.clone());
            }
            Event::Canceled { reason, .. } => {
                next.status = Status::Canceled;
                next.canceled = Some((at_ms, *reason));
                self.due = None;
            }
            Event::Refunded { terms, .. } => next.refunded += terms.amount,
            Event::Deferred {
                payment_method,
                off_session,
                due_ms,
                ..
            } => {
                let what = DueKind::Confirm {
                    method: payment_method.clone(),
                    off_session: *off_session,
                };
                self.due = Some(Due {
                    at_ms: *due_ms,
                    what,
                });
                return;
            }
            Event::Resumed { .. } => {
                self.due = None;
                return;
            }
            Event::Created { .. } | Event::KeyStored { .. } => return,
        }
        self.versions.push(next);
    }

    fn charged_with(
        &mut self,
        next: &mut Version,
        charge: ChargeId,
        method: &Arc<str>,
        decline: Option<Decline>,
        at_ms: i64,
    ) {
        next.method = Some(method.clone());
        next.charges = charge.nth + 1;
        // A charge that was pending is there already.
        if self.charges.len() < usize::from(next.charges) {
            let method = method.clone();
            self.charges.push(Charge {
                created_ms: at_ms,
                method,
                decline,
            });
        }
    }

    fn charged(&self, charge: ChargeId, payment_method: Arc<str>) -> Event {
        Event::Charged {
            intent: self.id,
            charge,
            amount: self.terms.amount,
            currency: self.terms.currency,
            payment_method,
        }
    }

    fn refuse(&self, what: &str) -> ApiError {
        ApiError::unexpected_state(format!("You cannot {what}."), self.id, self.version())
    }
}
