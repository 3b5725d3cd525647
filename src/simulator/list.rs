//! Lists and searches. A list shows every intent that a request was answered for (read-after-write), newest first; a
//! search lags behind.

use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::ApiError;
use super::event::RefundTerms;
use super::form;
use super::ids::{IntentId, RefundId};
use super::intents::Intent;
use super::objects::{self, intent};
use super::render::{json, json_text};
use super::requests::{expands, integer, not_a_form};
use super::world::World;

/// Intents are numbered a moment before or after they are dated, so a range of dates is looked for this much wider.
const DATING_SLACK_MS: i64 = 5_000;

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: &'a [Box<RawValue>],
    has_more: bool,
    url: &'static str,
}

#[derive(Serialize)]
struct SearchResult<'a> {
    object: &'static str,
    data: &'a [Box<RawValue>],
    has_more: bool,
    next_page: Option<IntentId>,
    url: &'static str,
}

/// What a list asks for.
struct ListRequest {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
    created_from_s: i64,
    created_to_s: i64,
    customer: Option<String>,
    payment_intent: Option<String>,
    charge: Option<String>,
    expand: bool,
}

/// A page: the objects, newest first, and whether there are more.
#[derive(Default)]
struct Page {
    data: Vec<Box<RawValue>>,
    has_more: bool,
    last: Option<IntentId>,
}

impl Page {
    /// Adds one; false if the page is full.
    fn add(&mut self, limit: usize, object: String) -> bool {
        if self.data.len() == limit {
            self.has_more = true;
            return false;
        }
        self.data.extend(RawValue::from_string(object));
        true
    }
}

impl World {
    /// `GET /v1/payment_intents`.
    pub(crate) fn list_intents(&self, query: &[u8], now_ms: i64) -> Result<Vec<u8>, ApiError> {
        let request = ListRequest::read(query, &["created", "customer"])?;
        let from_ms = request.created_from_s.saturating_mul(1000);
        let to_ms = request
            .created_to_s
            .saturating_mul(1000)
            .saturating_add(999);
        let oldest = self.first_dated_after(from_ms.saturating_sub(DATING_SLACK_MS));
        let newest = self.first_dated_after(to_ms.saturating_add(DATING_SLACK_MS));
        let after = cursor::<IntentId>(request.starting_after.as_deref(), "starting_after")?;
        let before = cursor::<IntentId>(request.ending_before.as_deref(), "ending_before")?;
        let mut page = Page::default();
        let mut take = |n: u64| {
            let id = IntentId { tag: self.tag, n };
            let shown = self.look(id, now_ms, |it| {
                let created_ms = it.terms.created_ms;
                let of_customer = request.customer.is_none()
                    || request.customer.as_deref() == it.terms.customer.as_deref();
                let wanted = (from_ms..=to_ms).contains(&created_ms) && of_customer;
                wanted.then(|| intent::written(it, it.version(), request.expand))
            });
            shown
                .flatten()
                .is_none_or(|body| page.add(request.limit, body))
        };
        if let Some(before) = before {
            let _full = (before.n + 1..newest).all(&mut take);
            page.data.reverse();
        } else {
            let newest = after.map_or(newest, |after| newest.min(after.n));
            let _full = (oldest..newest).rev().all(&mut take);
        }
        Ok(list(&page, "/v1/payment_intents"))
    }

    /// `GET /v1/payment_intents/search`: sees only what happened `lag_ms` ago.
    pub(crate) fn search_intents(
        &self,
        query: &[u8],
        now_ms: i64,
        lag_ms: i64,
    ) -> Result<Vec<u8>, ApiError> {
        let (mut clauses, mut limit, mut below) = (None, 10, self.intents());
        for pair in form::pairs(query) {
            let (name, value) = pair.map_err(not_a_form)?;
            match &*name {
                "query" => clauses = Some(read_query(&value)?),
                "limit" => limit = read_limit(&value)?,
                "page" => {
                    below = cursor::<IntentId>(Some(&value), "page")?.map_or(below, |id| id.n)
                }
                _ => return Err(ApiError::unknown_parameter(&name)),
            }
        }
        let clauses = clauses.ok_or_else(|| ApiError::missing_parameter("query"))?;
        let mut page = Page::default();
        for n in (0..below).rev() {
            let id = IntentId { tag: self.tag, n };
            let shown = self.look(id, now_ms, |it| {
                let seen = it.terms.created_ms.max(it.visible_from_ms) + lag_ms <= now_ms;
                let wanted = seen && clauses.iter().all(|clause| clause.holds(it));
                wanted.then(|| intent::written(it, it.version(), false))
            });
            if let Some(body) = shown.flatten() {
                if !page.add(limit, body) {
                    break;
                }
                page.last = Some(id);
            }
        }
        Ok(json(&SearchResult {
            object: "search_result",
            data: &page.data,
            has_more: page.has_more,
            next_page: page.last.filter(|_| page.has_more),
            url: "/v1/payment_intents/search",
        }))
    }

    /// `GET /v1/refunds`.
    pub(crate) fn list_refunds(&self, query: &[u8]) -> Result<Vec<u8>, ApiError> {
        let request = ListRequest::read(query, &["created", "payment_intent", "charge"])?;
        let after = cursor::<RefundId>(request.starting_after.as_deref(), "starting_after")?;
        let before = cursor::<RefundId>(request.ending_before.as_deref(), "ending_before")?;
        let refunds = self.refunds();
        let wanted = |terms: &RefundTerms| {
            let created_s = terms.created_ms / 1000;
            let is = |wanted: &Option<String>, id: &dyn std::fmt::Display| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| *wanted == id.to_string())
            };
            (request.created_from_s..=request.created_to_s).contains(&created_s)
                && is(&request.payment_intent, &terms.charge.intent)
                && is(&request.charge, &terms.charge)
        };
        let mut page = Page::default();
        let mut take = |(n, terms): &(u64, Arc<RefundTerms>)| {
            let id = RefundId {
                tag: self.tag,
                n: *n,
            };
            !wanted(terms) || page.add(request.limit, json_text(&objects::refund(id, terms)))
        };
        if let Some(before) = before {
            let _full = refunds.iter().filter(|(n, _)| *n > before.n).all(&mut take);
            page.data.reverse();
        } else {
            let below = after.map_or(u64::MAX, |after| after.n);
            let _full = refunds
                .iter()
                .rev()
                .filter(|(n, _)| *n < below)
                .all(&mut take);
        }
        Ok(list(&page, "/v1/refunds"))
    }

    /// The number of the first intent that is dated after this time; gaps count as old.
    fn first_dated_after(&self, time_ms: i64) -> u64 {
        let (mut low, mut high) = (0, self.intents());
        while low < high {
            let middle = low + (high - low) / 2;
            // A number may have no intent (its create was refused): the next one decides.
            let dated = (middle..high).find_map(|n| {
                let id = IntentId { tag: self.tag, n };
                self.peek(id, |it| it.terms.created_ms)
                    .map(|created_ms| (n, created_ms))
            });
            match dated {
                Some((n, created_ms)) if created_ms <= time_ms => low = n + 1,
                _ => high = middle,
            }
        }
        low
    }
}

fn list(page: &Page, url: &'static str) -> Vec<u8> {
    json(&List {
        object: "list",
        data: &page.data,
        has_more: page.has_more,
        url,
    })
}

impl ListRequest {
    /// Reads the query; of the filters only those named are taken.
    fn read(query: &[u8], filters: &[&str]) -> Result<Self, ApiError> {
        let mut read = Self {
            limit: 10,
            starting_after: None,
            ending_before: None,
            created_from_s: i64::MIN,
            created_to_s: i64::MAX,
            customer: None,
            payment_intent: None,
            charge: None,
            expand: false,
        };
        for pair in form::pairs(query) {
            let (name, value) = pair.map_err(not_a_form)?;
            let filter = name.split('[').next().unwrap_or_default();
            let time = || integer(&name, &value);
            match &*name {
                "limit" => read.limit = read_limit(&value)?,
                "starting_after" => read.starting_after = Some(value.into()),
                "ending_before" => read.ending_before = Some(value.into()),
                "expand[]" | "expand[0]" => read.expand |= expands("data.latest_charge", &value)?,
                _ if !filters.contains(&filter) => return Err(ApiError::unknown_parameter(&name)),
                "created" => (read.created_from_s, read.created_to_s) = (time()?, time()?),
                "created[gte]" => read.created_from_s = time()?,
                "created[gt]" => read.created_from_s = time()?.saturating_add(1),
                "created[lte]" => read.created_to_s = time()?,
                "created[lt]" => read.created_to_s = time()?.saturating_sub(1),
                "customer" => read.customer = Some(value.into()),
                "payment_intent" => read.payment_intent = Some(value.into()),
                "charge" => read.charge = Some(value.into()),
                _ => return Err(ApiError::unknown_parameter(&name)),
            }
        }
        if read.starting_after.is_some() && read.ending_before.is_some() {
            let message =
                "You cannot parameterize `starting_after` and `ending_before` simultaneously.";
            return Err(ApiError::invalid(message));
        }
        Ok(read)
    }
}

fn read_limit(value: &str) -> Result<usize, ApiError> {
    match integer("limit", value)? {
        limit @ 1..=100 => Ok(usize::try_from(limit).unwrap_or(100)),
        limit if limit < 1 => Err(ApiError::invalid(format!(
            "This value must be greater than or equal to 1 (it currently is '{limit}')."
        ))
        .param("limit")),
        limit => Err(ApiError::invalid(format!(
            "This value must be less than or equal to 100 (it currently is '{limit}')."
        ))
        .param("limit")),
    }
}

fn cursor<Id: FromStr>(text: Option<&str>, param: &'static str) -> Result<Option<Id>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let missing = || ApiError::missing("object", text, param, 400);
    text.parse().map(Some).map_err(|_| missing())
}

/// A part of a search: this field has this value.
struct Clause {
    field: Field,
    value: String,
}

enum Field {
    Metadata(String),
    Status,
    Currency,
    Customer,
}

impl Clause {
    fn holds(&self, intent: &Intent) -> bool {
        match &self.field {
            Field::Metadata(name) => {
                let metadata = &intent.terms.metadata;
                // Cheap first: most intents do not contain the value at all.
                let escaped = |c: char| c.is_control() || matches!(c, '"' | '\\');
                let may_be = self.value.contains(escaped) || metadata.json().contains(&self.value);
                may_be && metadata.get(name).as_ref() == Some(&self.value)
            }
            Field::Status => intent.now().status.as_str() == self.value,
            Field::Currency => intent.terms.currency.as_str() == self.value,
            Field::Customer => intent.terms.customer.as_deref() == Some(&self.value),
        }
    }
}

/// Reads `metadata['name']:'value' AND status:'…'`; of Stripe's language the simulator knows equality and AND.
fn read_query(query: &str) -> Result<Vec<Clause>, ApiError> {
    query
        .split(" AND ")
        .map(|clause| read_clause(clause.trim()))
        .collect()
}

fn read_clause(clause: &str) -> Result<Clause, ApiError> {
    let not_understood = || {
        let message = format!(
            "We were unable to parse your search query ({clause}). The simulator knows metadata['name'], status, \
             currency and customer, each with :'value', joined by AND."
        );
        ApiError::invalid(message).param("query")
    };
    let colon = clause
        .find("]:")
        .map(|at| at + 1)
        .or_else(|| clause.find(':'));
    let (field, value) = clause.split_at(colon.ok_or_else(not_understood)?);
    let value = value.trim_start_matches(':');
    let value = quoted(value).ok_or_else(not_understood)?.to_owned();
    let name_of = |field: &str| {
        let name = field.strip_prefix("metadata[")?.strip_suffix(']')?;
        quoted(name).map(str::to_owned)
    };
    let field = match field {
        "status" => Field::Status,
        "currency" => Field::Currency,
        "customer" => Field::Customer,
        field => Field::Metadata(name_of(field).ok_or_else(not_understood)?),
    };
    Ok(Clause { field, value })
}

fn quoted(text: &str) -> Option<&str> {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('\'').or_else(|| inside('"'))
}
