//! Carries requests out in the world.

use std::sync::Arc;

use smallvec::smallvec;

use super::answer::{Answer, ApiError};
use super::currency::{AMOUNT_MAX, AmountFault};
use super::event::{Event, RefundTerms, Terms};
use super::ids::{ChargeId, IntentId};
use super::intents::{Confirm, Events, Intent, Status};
use super::method::{Behaviour, behaviour};
use super::mix;
use super::requests::{ConfirmRequest, Create, Operation, RefundRequest};
use super::world::{Execution, Mishap, World};

impl World {
    /// Carries the request out, records it, and gives its answer.
    pub(crate) fn execute(&self, operation: Operation, execution: &Execution<'_>) -> Answer {
        let now_ms = self.clock.now_ms();
        if execution.mishap == Mishap::ErrorBefore {
            return self.commit(
                Events::new(),
                ApiError::internal().into(),
                now_ms,
                execution,
            );
        }
        let done = match operation {
            Operation::Create(create) => self.create_intent(create, now_ms, execution),
            Operation::Confirm { id, confirm } => self.confirm(&id, &confirm, now_ms, execution),
            Operation::Cancel { id, reason, expand } => id
                .parse()
                .ok()
                .and_then(|intent| {
                    self.change(
                        intent,
                        now_ms,
                        execution,
                        |it| it.cancel(reason),
                        answer_with(expand),
                    )
                })
                .ok_or_else(|| ApiError::missing("payment_intent", &id, "intent", 404)),
            Operation::Refund(refund) => self.create_refund(&refund, now_ms, execution),
            Operation::CreateMethod { behaves_as } => {
                let answer = self.new_method(&behaves_as, now_ms);
                Ok(self.commit(Events::new(), answer, now_ms, execution))
            }
        };
        done.unwrap_or_else(|error| self.commit(Events::new(), error.into(), now_ms, execution))
    }

    fn create_intent(
        &self,
        create: Create,
        now_ms: i64,
        execution: &Execution<'_>,
    ) -> Result<Answer, ApiError> {
        check_amount(&create)?;
        check_owner(create.customer.as_deref(), create.payment_method.as_deref())?;
        let terms = Terms {
            created_ms: now_ms,
            amount: create.amount,
            currency: create.currency,
            payment_method: create.payment_method,
            customer: create.customer,
            transfer_group: create.transfer_group,
            description: create.description,
            receipt_email: create.receipt_email,
            metadata: create.metadata,
        };
        let deferred_ms = match execution.mishap {
            Mishap::RolledForward { delay_ms } if create.confirm.is_some() => {
                Some(now_ms + delay_ms)
            }
            _ => None,
        };
        let intent = Intent::new(self.next_intent(), Arc::new(terms), deferred_ms);
        let events = match (&create.confirm, deferred_ms) {
            (None, _) => Events::new(),
            (Some(confirm), Some(due_ms)) => self.deferred(&intent, confirm, due_ms)?,
            (Some(confirm), None) => {
                intent.confirm(&confirm.borrowed(), now_ms, self.confirms_max)?
            }
        };
        let answer = answer_with(create.expand);
        Ok(self.create(intent, deferred_ms, events, answer, now_ms, execution))
    }

    fn confirm(
        &self,
        id: &str,
        confirm: &ConfirmRequest,
        now_ms: i64,
        execution: &Execution<'_>,
    ) -> Result<Answer, ApiError> {
        check_owner(None, confirm.payment_method.as_deref())?;
        let missing = || ApiError::missing("payment_intent", id, "intent", 404);
        let intent: IntentId = id.parse().map_err(|_| missing())?;
        let decide = |it: &mut Intent| match execution.mishap {
            // One that is deferred already stays: the later confirm is then carried out at once.
            Mishap::RolledForward { delay_ms } if it.due.is_none() => {
                self.deferred(it, confirm, now_ms + delay_ms)
            }
            _ => it.confirm(&confirm.borrowed(), now_ms, self.confirms_max),
        };
        let answer = answer_with(confirm.expand);
        self.change(intent, now_ms, execution, decide, answer)
            .ok_or_else(missing)
    }

    /// A confirm that its caller is not told the outcome of. What would be refused at once is refused.
    fn deferred(
        &self,
        intent: &Intent,
        confirm: &ConfirmRequest,
        due_ms: i64,
    ) -> Result<Events, ApiError> {
        intent.confirm(&confirm.borrowed(), due_ms, self.confirms_max)?;
        let method = confirm
            .payment_method
            .as_ref()
            .or(intent.now().method.as_ref());
        Ok(method.map_or_else(Events::new, |method| {
            smallvec![Event::Deferred {
                intent: intent.id,
                payment_method: method.clone(),
                off_session: confirm.off_session,
                due_ms,
            }]
        }))
    }

    fn create_refund(
        &self,
        request: &RefundRequest,
        now_ms: i64,
        execution: &Execution<'_>,
    ) -> Result<Answer, ApiError> {
        let (id, missing) = match (&request.payment_intent, &request.charge) {
            (Some(id), _) => {
                let missing = ApiError::missing("payment_intent", id, "payment_intent", 400);
                (id.parse::<IntentId>().ok(), missing)
            }
            (None, charge) => {
                let charge = charge.as_deref().unwrap_or_default();
                let missing = ApiError::missing("charge", charge, "charge", 404);
                (charge.parse::<ChargeId>().ok().map(|it| it.intent), missing)
            }
        };
        let id = id.ok_or_else(|| missing.clone())?;
        let made = std::cell::Cell::new(None);
        let decide = |intent: &mut Intent| {
            let terms = Arc::new(refund_terms(intent, request, now_ms)?);
            let refund = self.add_refund(terms.clone());
            made.set(Some(refund));
            Ok(smallvec![Event::Refunded { refund, terms }])
        };
        let answer = |_: &Intent| match made.get() {
            Some(refund) => Answer::Refund { refund },
            None => ApiError::internal().into(),
        };
        self.change(id, now_ms, execution, decide, answer)
            .ok_or(missing)
    }

    /// A method keeps its token's name, since that tells how it behaves.
    fn new_method(&self, behaves_as: &str, now_ms: i64) -> Answer {
        let number = mix::mix(u64::from(self.tag) << 32 ^ self.next_method());
        Answer::Method {
            id: format!("pm_1{number:016x}_{behaves_as}").into(),
            created_s: now_ms / 1000,
        }
    }
}

impl ConfirmRequest {
    fn borrowed(&self) -> Confirm<'_> {
        Confirm {
            method: self.payment_method.as_ref(),
            off_session: self.off_session,
            error_on_action: self.error_on_action,
        }
    }
}

/// The answer to who changed an intent: the intent, or the card's refusal.
fn answer_with(expand: bool) -> impl FnOnce(&Intent) -> Answer {
    move |intent| {
        let (version, now) = (intent.version(), intent.now());
        let intent = intent.id;
        match (now.status, now.decline) {
            (Status::RequiresPaymentMethod, Some(_)) => Answer::Declined { intent, version },
            _ => Answer::Intent {
                intent,
                version,
                expand,
            },
        }
    }
}

fn check_amount(create: &Create) -> Result<(), ApiError> {
    let currency = create.currency;
    currency.check(create.amount).map_err(|fault| {
        let error = match fault {
            AmountFault::TooSmall { least } => ApiError::invalid(format!(
                "Amount must be at least {least} in the smallest unit of {}",
                currency.as_str()
            ))
            .code("amount_too_small"),
            AmountFault::TooLarge => {
                ApiError::invalid(format!("Amount must be no more than {AMOUNT_MAX}"))
                    .code("amount_too_large")
            }
            AmountFault::NotAMultipleOf(multiple) => ApiError::invalid(format!(
                "Invalid amount: in {} it must be a multiple of {multiple}",
                currency.as_str()
            ))
            .code("parameter_invalid_integer"),
        };
        error.param("amount")
    })
}

fn check_owner(customer: Option<&str>, method: Option<&str>) -> Result<(), ApiError> {
    if let Some(id) = customer.filter(|id| !id.starts_with("cus_") || id.starts_with("cus_missing"))
    {
        return Err(ApiError::missing("customer", id, "customer", 400));
    }
    match method {
        Some(id) if behaviour(id) == Behaviour::Missing => Err(ApiError::missing(
            "PaymentMethod",
            id,
            "payment_method",
            400,
        )),
        _ => Ok(()),
    }
}

/// Decides a refund: what it gives back, or why it is refused.
fn refund_terms(
    intent: &Intent,
    request: &RefundRequest,
    now_ms: i64,
) -> Result<RefundTerms, ApiError> {
    let now = intent.now();
    let charge = ChargeId {
        intent: intent.id,
        nth: now.charges.saturating_sub(1),
    };
    let about_charge = |error: ApiError| ApiError {
        charge: Some(Box::new(charge)),
        ..error
    };
    let named = request.charge.as_deref();
    if now.status != Status::Succeeded || named.is_some_and(|id| id.parse() != Ok(charge)) {
        let message = format!(
            "This PaymentIntent ({}) does not have a successful charge to refund.",
            intent.id
        );
        return Err(ApiError::invalid(message).param("payment_intent"));
    }
    let left = intent.terms.amount - now.refunded;
    if left == 0 {
        let message = format!("Charge {charge} has already been refunded.");
        return Err(about_charge(
            ApiError::invalid(message).code("charge_already_refunded"),
        ));
    }
    let amount = request.amount.unwrap_or(left);
    if amount <= 0 {
        let error = ApiError::invalid("Invalid positive integer").code("parameter_invalid_integer");
        return Err(error.param("amount"));
    }
    if amount > left {
        let message = format!(
            "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        );
        return Err(about_charge(ApiError::invalid(message).param("amount")));
    }
    Ok(RefundTerms {
        created_ms: now_ms,
        charge,
        amount,
        currency: intent.terms.currency,
        reason: request.reason,
        metadata: request.metadata.clone(),
    })
}
