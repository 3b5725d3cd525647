//! The gateway's bytes without a connection: what `tests/fuzz` reads them by.

use almoner_actors::ports::Inexpressible;
use almoner_domain::answer::Answer;
use almoner_domain::donation::Call;
use almoner_domain::request::DonationRequest;

use super::answers::{self, Expected};
pub use super::answers::{Reply, is_id};
use super::body::Charged;
use super::list::{self, GatewayCharge, ListError};

/// What an answer to this call of this donation means, or a sentence on why nothing in it can be relied on. `intent` is
/// the one that the call named.
///
/// # Errors
/// The gateway cannot express the donation's amount.
pub fn answer(
    call: &Call,
    request: &DonationRequest,
    intent: Option<&str>,
    reply: &Reply,
) -> Result<Result<Answer, String>, Inexpressible> {
    let expected = Expected {
        call,
        donation: request.id,
        charged: Charged::new(request.amount)?,
        intent,
    };
    Ok(answers::read(&expected, reply).map_err(|useless| useless.to_string()))
}

/// How many intents the page shows, and after which one the next page starts; the answer to the call where there is no
/// page; or a sentence on why nothing in it can be relied on.
///
/// # Errors
/// That sentence.
pub fn page(reply: &Reply) -> Result<Result<(usize, Option<String>), Answer>, String> {
    let mut shown = 0;
    let read = answers::read_page(reply, |_| shown += 1);
    read.map(|page| page.map(|next| (shown, next)))
        .map_err(|useless| useless.to_string())
}

/// The charges of the page that follows `after`, as the audit and a restore read it, and after which one the next starts.
///
/// # Errors
/// There is no page.
pub fn charges(
    reply: &Reply,
    after: Option<&str>,
) -> Result<(Vec<GatewayCharge>, Option<String>), ListError> {
    list::charges(reply, after)
}
