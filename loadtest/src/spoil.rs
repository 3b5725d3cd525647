//! Sound requests made into ones that cannot be done.

use almoner_domain::ids::{CampaignId, DonationId};
use almoner_domain::money::Money;
use almoner_domain::request::{self, DonationRequest, Request};

use crate::campaigns::{closed_id, unknown_id};
use crate::dice::Dice;
use crate::planned::{Bad, Kind, Planned};

/// `request`, so that it cannot be done. Garbage is different each time, so that each piece can be told by its bytes.
pub(crate) fn spoil(
    mut request: DonationRequest,
    bad: Bad,
    campaigns_closed: u32,
    dice: &mut Dice,
) -> Planned {
    match bad {
        Bad::ClosedCampaign => {
            let closed = closed_id(1 + dice.below(u64::from(campaigns_closed)));
            redirect(&mut request, &closed);
        }
        Bad::UnknownCampaign => redirect(&mut request, &unknown_id(dice.below(1_000_000))),
        Bad::ZeroAmount => {
            // One minor unit is one byte on the wire, as nothing is.
            let least = Money::new(1, request.amount.currency());
            request.amount = least.unwrap_or(request.amount);
        }
        Bad::UnknownCurrency | Bad::Garbage => {}
    }
    let id = request.id;
    let key = request.user_id.to_string();
    let code = request.amount.currency().code();
    let request = Request::Donate(request);
    let mut value = request::encode(&request);
    match bad {
        Bad::ZeroAmount => overwrite_after(&mut value, b"amount_minor", &[0]),
        Bad::UnknownCurrency => overwrite_after(&mut value, &text("currency", code), b"QQQ"),
        Bad::Garbage => value = garbage(value, id, dice),
        Bad::ClosedCampaign | Bad::UnknownCampaign => {}
    }
    let can_be_asked = matches!(bad, Bad::ClosedCampaign | Bad::UnknownCampaign);
    Planned {
        key,
        value,
        kind: Kind::Bad(bad),
        id: (bad != Bad::Garbage).then_some(id),
        request: match request {
            Request::Donate(donation) if can_be_asked => Some(donation),
            _ => None,
        },
    }
}

fn redirect(request: &mut DonationRequest, campaign: &str) {
    if let Some(campaign) = CampaignId::parse(campaign) {
        request.campaign_id = campaign;
    }
}

/// A name and the header of the text that is its value.
fn text(name: &str, value: &str) -> Vec<u8> {
    const SHORT_TEXT: u8 = 0xa0;
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(SHORT_TEXT | value.len() as u8);
    bytes
}

fn overwrite_after(value: &mut [u8], mark: &[u8], with: &[u8]) {
    let found = value.windows(mark.len()).position(|window| window == mark);
    let target = found
        .map(|at| at + mark.len())
        .and_then(|from| value.get_mut(from..from + with.len()));
    if let Some(target) = target {
        target.copy_from_slice(with);
    }
}

/// What arrives where MessagePack was meant: JSON, half a message, noise.
fn garbage(sound: Vec<u8>, id: DonationId, dice: &mut Dice) -> Vec<u8> {
    /// The one byte that MessagePack never begins with.
    const NEVER_USED: u8 = 0xc1;
    match dice.below(3) {
        0 => format!(r#"{{"type":"donate","id":"{id}","amount":"ten euros"}}"#).into_bytes(),
        1 => {
            // The id stands in the first sixty bytes: what is left is still one of its kind.
            let least = sound.len().min(60);
            let end = least + dice.below((sound.len() - least) as u64) as usize;
            sound[..end].to_vec()
        }
        _ => {
            let mut noise = vec![NEVER_USED; 24];
            dice.fill(&mut noise[1..]);
            noise
        }
    }
}
