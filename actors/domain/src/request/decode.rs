//! Bytes → a request or a refusal, in one pass over borrowed bytes; then the fields, each against its limits.

use std::borrow::Cow;

use super::limits::{
    EMAIL_CHARS_MAX, MESSAGE_CHARS_MAX, METADATA_ENTRIES_MAX, METADATA_KEY_CHARS_MAX,
    METADATA_VALUE_CHARS_MAX, TOKEN_CHARS_MAX, has_chars_at_most, is_customer, is_email, is_token,
};
use super::{
    DonationRequest, HoldAnswer, Information, Metadata, Record, Refusal, Request, RequestType,
    Rules,
};
use crate::card_number::{contains_card_number, masked};
use crate::dead_letter::{Reason, Unreadable};
use crate::ids::{CampaignId, DonationId, NAME_CHARS_MAX, UserId};
use crate::money::{AMOUNT_MINOR_MAX, Currency, Money};
use crate::outcome::{Rejection, RejectionReason};
use crate::wire::{self, Map, Problem, Value};

wire::field_names!(Field {
    Type = "type",
    Id = "id",
    UserId = "user_id",
    CampaignId = "campaign_id",
    AmountMinor = "amount_minor",
    Currency = "currency",
    PaymentMethod = "payment_method",
    GatewayCustomer = "gateway_customer",
    CreatedAtMs = "created_at_ms",
    Message = "message",
    Anonymous = "anonymous",
    ReceiptEmail = "receipt_email",
    Metadata = "metadata",
});

type Fields<'a> = wire::Fields<'a, { Field::NAMES.len() }>;

/// The request that a record is. A field that is nil counts as absent; one that is not known here is skipped.
///
/// # Errors
/// [`Refusal::Rejected`] with the first field at fault where `id` and `user_id` can be read;
/// [`Refusal::DeadLetter`] where they cannot, for bytes that follow the message, for a field that stands there twice
/// and for a later schema.
pub fn decode(record: &Record<'_>, rules: &Rules) -> Result<Request, Refusal> {
    let (fields, id, user_id) = read(record)?;
    check(record, rules, &fields, id, &user_id).map_err(|problem| {
        Refusal::Rejected(Rejection {
            request_type: request_type_text(&fields),
            donation_id: id,
            user_id,
            reason: RejectionReason::InvalidRequest,
            field: problem.field.map(Into::into),
            detail: problem.detail.into(),
        })
    })
}

/// What must be readable before anybody can be told anything.
fn read<'a>(record: &Record<'a>) -> Result<(Fields<'a>, DonationId, UserId), Unreadable> {
    wire::check_schema_version(record.schema_version)?;
    let fields = Fields::read(Field::NAMES, record.value)?;
    let (id, user_id) =
        identity(&fields).map_err(|problem| Unreadable::new(Reason::NoIdentity, problem.detail))?;
    Ok((fields, id, user_id))
}

fn identity(fields: &Fields<'_>) -> Result<(DonationId, UserId), Problem> {
    let id = match fields.value(Field::Id) {
        Some(Value::Str(text)) => std::str::from_utf8(text).ok().and_then(DonationId::parse),
        Some(Value::Bin(bytes)) => bytes.try_into().ok().map(DonationId),
        Some(other) => {
            return Err(fields.wrong_kind(Field::Id, other, "a UUID as text or 16 bytes"));
        }
        None => {
            let what = "is missing; send a UUID as text or 16 bytes";
            return Err(fields.problem(Field::Id, what));
        }
    }
    .ok_or_else(|| fields.problem(Field::Id, "is not a UUID; send it as text or as 16 bytes"))?;
    let user_id = UserId::parse(fields.required_text(Field::UserId)?)
        .ok_or_else(|| not_a_name(fields, Field::UserId))?;
    Ok((id, user_id))
}

fn check(
    record: &Record<'_>,
    rules: &Rules,
    fields: &Fields<'_>,
    id: DonationId,
    user_id: &UserId,
) -> Result<Request, Problem> {
    check_record(record, rules, fields, user_id)?;
    let user_id = user_id.clone();
    Ok(match request_type(fields, rules)? {
        RequestType::Donate => Request::Donate(donation(fields, id, user_id)?),
        RequestType::Confirm => Request::Confirm(HoldAnswer { id, user_id }),
        RequestType::Cancel => Request::Cancel(HoldAnswer { id, user_id }),
    })
}

fn check_record(
    record: &Record<'_>,
    rules: &Rules,
    fields: &Fields<'_>,
    user_id: &UserId,
) -> Result<(), Problem> {
    match record.key {
        None => {
            return Err(Problem::new(
                "key",
                "the record has no key; send user_id as its key",
            ));
        }
        Some(key) if key != user_id.as_str().as_bytes() => {
            return Err(Problem::new(
                "key",
                "the record's key is not user_id; send user_id, as UTF-8, as its key",
            ));
        }
        Some(_) => {}
    }
    let (length, max) = (record.value.len(), rules.value_bytes_max);
    if length > max {
        let detail = format!("the value has {length} bytes; send at most {max}");
        return Err(Problem::new(None, detail));
    }
    if fields.has_unnamed {
        return Err(Problem::new(
            None,
            "a field's name is not text; send a map whose keys are field names",
        ));
    }
    Ok(())
}

fn request_type(fields: &Fields<'_>, rules: &Rules) -> Result<RequestType, Problem> {
    let Some(text) = fields.text(Field::Type)? else {
        return allowed(RequestType::Donate, fields, rules);
    };
    let known = RequestType::parse(text).ok_or_else(|| {
        let what = format!("is not known here; send {}", names(rules));
        fields.problem(Field::Type, &what)
    })?;
    allowed(known, fields, rules)
}

fn allowed(
    request_type: RequestType,
    fields: &Fields<'_>,
    rules: &Rules,
) -> Result<RequestType, Problem> {
    if rules.request_types_allowed.contains(request_type) {
        return Ok(request_type);
    }
    let what = format!(
        "{} is not taken here; send {}",
        request_type.as_str(),
        names(rules)
    );
    Err(fields.problem(Field::Type, &what))
}

/// The types that are taken, for a sentence.
fn names(rules: &Rules) -> String {
    let names: Vec<_> = rules
        .request_types_allowed
        .iter()
        .map(RequestType::as_str)
        .collect();
    names.join(" or ")
}

/// What a rejection calls the request's type: what stood there, as far as it is fit to be repeated.
fn request_type_text(fields: &Fields<'_>) -> Box<str> {
    const CHARS_MAX: usize = 32;
    match fields.text(Field::Type) {
        Ok(None) => RequestType::Donate.as_str().into(),
        Ok(Some(text)) => masked(text).chars().take(CHARS_MAX).collect(),
        Err(_) => "unknown".into(),
    }
}

fn donation(
    fields: &Fields<'_>,
    id: DonationId,
    user_id: UserId,
) -> Result<DonationRequest, Problem> {
    Ok(DonationRequest {
        id,
        user_id,
        campaign_id: CampaignId::parse(fields.required_text(Field::CampaignId)?)
            .ok_or_else(|| not_a_name(fields, Field::CampaignId))?,
        amount: amount(fields)?,
        payment_method: payment_method(fields)?.into(),
        gateway_customer: gateway_customer(fields)?.map(Into::into),
        information: information(fields)?,
    })
}

fn not_a_name(fields: &Fields<'_>, field: Field) -> Problem {
    let what = format!("is not 1 to {NAME_CHARS_MAX} characters of A–Z a–z 0–9 _ - . :");
    fields.problem(field, &what)
}

fn amount(fields: &Fields<'_>) -> Result<Money, Problem> {
    let hint = || {
        format!(
            "send the amount in the currency's minor unit, more than 0 and at most {AMOUNT_MINOR_MAX}"
        )
    };
    let amount_minor = fields
        .uint(Field::AmountMinor)
        .and_then(|amount| amount.ok_or_else(|| fields.problem(Field::AmountMinor, "is missing")))
        .map_err(|problem| {
            Problem::new(problem.field, format!("{}; {}", problem.detail, hint()))
        })?;
    let currency = currency(fields)?;
    Money::new(amount_minor, currency).ok_or_else(|| {
        let is = if amount_minor == 0 {
            "is 0"
        } else {
            "is too much"
        };
        fields.problem(Field::AmountMinor, &format!("{is}; {}", hint()))
    })
}

fn currency(fields: &Fields<'_>) -> Result<Currency, Problem> {
    let code = fields.required_text(Field::Currency)?;
    Currency::from_code(code).ok_or_else(|| {
        let upper = code.to_ascii_uppercase();
        let what = match Currency::from_code(&upper) {
            Some(known) => format!("is not in upper case; send {known}"),
            None => {
                "is not a currency of ISO 4217 with a minor unit; send its code, like EUR".into()
            }
        };
        fields.problem(Field::Currency, &what)
    })
}

fn payment_method<'a>(fields: &Fields<'a>) -> Result<&'a str, Problem> {
    let text = fields.required_text(Field::PaymentMethod)?;
    if is_token(text) {
        return Ok(text);
    }
    let what = if contains_card_number(text) {
        "is a card number, which must not be sent here; send the gateway's token, like pm_…".into()
    } else {
        format!(
            "is not a token of the gateway's, like pm_…, of at most {TOKEN_CHARS_MAX} letters, digits and _"
        )
    };
    Err(fields.problem(Field::PaymentMethod, &what))
}

fn gateway_customer<'a>(fields: &Fields<'a>) -> Result<Option<&'a str>, Problem> {
    let customer = fields.text(Field::GatewayCustomer)?;
    if customer.is_none_or(is_customer) {
        return Ok(customer);
    }
    Err(fields.problem(
        Field::GatewayCustomer,
        "is not a customer of the gateway's, cus_…; leave it out where the token is saved to none",
    ))
}

fn information(fields: &Fields<'_>) -> Result<Option<Box<Information>>, Problem> {
    let information = Information {
        created_at_ms: fields.int(Field::CreatedAtMs)?,
        message: message(fields)?,
        anonymous: fields.flag(Field::Anonymous)?,
        receipt_email: receipt_email(fields)?.map(Into::into),
        metadata: metadata(fields)?,
    };
    Ok((information != Information::default()).then(|| Box::new(information)))
}

fn message(fields: &Fields<'_>) -> Result<Option<Box<str>>, Problem> {
    let Some(text) = fields.text(Field::Message)? else {
        return Ok(None);
    };
    if !has_chars_at_most(text, MESSAGE_CHARS_MAX) {
        let what = format!("has more than {MESSAGE_CHARS_MAX} characters");
        return Err(fields.problem(Field::Message, &what));
    }
    Ok(Some(masked(text).into()))
}

fn receipt_email<'a>(fields: &Fields<'a>) -> Result<Option<&'a str>, Problem> {
    let email = fields.text(Field::ReceiptEmail)?;
    if email.is_none_or(is_email) {
        return Ok(email);
    }
    let what = format!("is not a mail address of at most {EMAIL_CHARS_MAX} characters");
    Err(fields.problem(Field::ReceiptEmail, &what))
}

fn metadata(fields: &Fields<'_>) -> Result<Metadata, Problem> {
    match fields.value(Field::Metadata) {
        None => Ok(Vec::new()),
        Some(Value::Map(map)) => {
            metadata_entries(map).map_err(|what| fields.problem(Field::Metadata, &what))
        }
        Some(other) => Err(fields.wrong_kind(Field::Metadata, other, "a map of text to text")),
    }
}

fn metadata_entries(map: Map<'_>) -> Result<Metadata, Cow<'static, str>> {
    if map.count as usize > METADATA_ENTRIES_MAX {
        return Err(format!("has more than {METADATA_ENTRIES_MAX} entries").into());
    }
    let mut entries = Metadata::with_capacity(map.count as usize);
    for (key, value) in map.entries() {
        let key = metadata_text(key, METADATA_KEY_CHARS_MAX, "key")?;
        let value = metadata_text(value, METADATA_VALUE_CHARS_MAX, "value")?;
        if entries.iter().any(|(known, _)| **known == *key) {
            return Err("has the same key twice".into());
        }
        entries.push((key.into(), value.into()));
    }
    Ok(entries)
}

fn metadata_text<'a>(
    value: Value<'a>,
    chars_max: usize,
    role: &str,
) -> Result<Cow<'a, str>, Cow<'static, str>> {
    let Value::Str(bytes) = value else {
        return Err(format!("has a {role} that is {}; send text", value.kind()).into());
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(format!("has a {role} that is not UTF-8").into());
    };
    if !has_chars_at_most(text, chars_max) {
        return Err(format!("has a {role} of more than {chars_max} characters").into());
    }
    Ok(masked(text))
}
