//! Until the gateway has accepted our key, it is asked by a harmless read: at the start, and then ever more rarely.

use std::sync::Arc;
use std::time::Duration;

use almoner_actors::world::World;

use crate::gateway::{ListError, StripeGateway};
use crate::http::{Condition, Health};

/// The pause after the first probe; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause: a gateway that comes back is seen so soon, and one that is away is not troubled by it.
const PAUSE_LONGEST: Duration = Duration::from_secs(8);

/// Probes until the key was accepted, by a probe or by a donation's call. Until then the condition says why it is not,
/// and the log says so once for each reason.
pub(super) async fn probe(gateway: Arc<StripeGateway>, world: Arc<World>, health: Arc<Health>) {
    let mut pause = PAUSE_FIRST;
    let mut said = String::new();
    while !world.credits.key_accepted() {
        let doubt = match gateway.probe().await {
            Ok(()) => {
                world.credits.accept_key();
                break;
            }
            Err(doubt) => doubt,
        };
        let why = reason(&doubt);
        if why != said {
            tracing::error!("not ready yet: {why}");
            health.unmet(Condition::GatewayKeyAccepted, &why);
            said = why;
        }
        tokio::time::sleep(pause.max(doubt.wished_pause().unwrap_or_default())).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
    if !said.is_empty() {
        tracing::info!("the gateway has accepted our key");
    }
}

/// What is in the way, and what to do about it.
fn reason(doubt: &ListError) -> String {
    let todo = match doubt {
        ListError::BadApiKey => "write the account's secret key as gateway.api_key, and restart",
        ListError::Refused(403) => "let the key read and write payment intents",
        ListError::Refused(_) | ListError::Unreadable(_) => "is gateway.base_url right?",
        ListError::RateLimited { .. } | ListError::ServerError(_) => "it is asked again",
        ListError::Unreachable(_) => {
            "is it there, and is gateway.base_url right? It is asked again"
        }
    };
    format!("{doubt}; {todo}.")
}
