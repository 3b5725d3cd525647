//! Requests as bytes, field by field, so that any field can be wrong.

use almoner_domain::campaign::{Campaign, Status};
use almoner_domain::ids::{CampaignId, DonationId};
use almoner_domain::money::Currency;
use rmp::encode as write;

use super::publisher::Post;

/// The n-th donation's id.
pub fn id(n: u32) -> DonationId {
    let mut bytes = [0x5a; 16];
    bytes[12..].copy_from_slice(&n.to_be_bytes());
    DonationId(bytes)
}

/// A sound donation: the n-th, of this user; each n is another amount, so that none looks like a double.
pub fn donate(n: u32, user: &str) -> Post {
    Fields::donate(n, user).post()
}

/// `confirm` or `cancel` of the n-th donation, by this user.
pub fn hold_answer(request_type: &str, n: u32, user: &str) -> Post {
    Fields::default()
        .text("type", request_type)
        .text("id", &id(n).to_string())
        .text("user_id", user)
        .post()
}

/// A campaign that takes this currency.
pub fn open_campaign(campaign: &str, currency: &str) -> Campaign {
    Campaign {
        campaign_id: CampaignId::parse(campaign).unwrap(),
        version: 1,
        status: Status::Open,
        currency: Currency::from_code(currency).unwrap(),
        creator_account: "acct_1".into(),
        amount_minor_min: None,
        amount_minor_max: None,
        title: campaign.into(),
    }
}

/// The fields of a request, each as its MessagePack bytes, in their order.
#[derive(Clone, Default)]
pub struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    /// The fields of a sound donation.
    pub fn donate(n: u32, user: &str) -> Self {
        Self::default()
            .text("type", "donate")
            .text("id", &id(n).to_string())
            .text("user_id", user)
            .text("campaign_id", "campaign-1")
            .uint("amount_minor", u64::from(n) + 100)
            .text("currency", "EUR")
            .text("payment_method", "pm_card_visa")
    }

    /// Sets a field, in its place if it is there, to a value of these bytes.
    pub fn raw(mut self, name: &str, value: &[u8]) -> Self {
        match self.0.iter_mut().find(|(of, _)| of == name) {
            Some((_, old)) => *old = value.to_vec(),
            None => self.0.push((name.to_owned(), value.to_vec())),
        }
        self
    }

    pub fn text(self, name: &str, text: &str) -> Self {
        self.raw(name, &msgpack_text(text))
    }

    pub fn uint(self, name: &str, number: u64) -> Self {
        let mut bytes = Vec::new();
        write::write_uint(&mut bytes, number).unwrap();
        self.raw(name, &bytes)
    }

    pub fn int(self, name: &str, number: i64) -> Self {
        let mut bytes = Vec::new();
        write::write_sint(&mut bytes, number).unwrap();
        self.raw(name, &bytes)
    }

    /// A map of text to text.
    pub fn texts(self, name: &str, entries: &[(&str, &str)]) -> Self {
        let mut bytes = Vec::new();
        write::write_map_len(&mut bytes, u32::try_from(entries.len()).unwrap()).unwrap();
        for (key, value) in entries {
            bytes.extend(msgpack_text(key));
            bytes.extend(msgpack_text(value));
        }
        self.raw(name, &bytes)
    }

    /// Adds the field a second time.
    pub fn twice(mut self, name: &str) -> Self {
        let found = self.0.iter().find(|(of, _)| of == name).unwrap().clone();
        self.0.push(found);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(of, _)| of != name);
        self
    }

    /// The whole map.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write::write_map_len(&mut bytes, u32::try_from(self.0.len()).unwrap()).unwrap();
        for (name, value) in &self.0 {
            bytes.extend(msgpack_text(name));
            bytes.extend(value);
        }
        bytes
    }

    /// The record, with the field `user_id` as its key.
    pub fn post(&self) -> Post {
        let user = self.0.iter().find(|(of, _)| of == "user_id");
        let key = user.map(|(_, text)| text[text_header_bytes(text)..].to_vec());
        Post {
            key,
            value: Some(self.bytes()),
            ..Post::default()
        }
    }
}

/// MessagePack of a text.
pub fn msgpack_text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    write::write_str(&mut bytes, text).unwrap();
    bytes
}

/// How many bytes stand before a text's own.
fn text_header_bytes(text: &[u8]) -> usize {
    match text.first() {
        Some(0xd9) => 2,
        Some(0xda) => 3,
        Some(0xdb) => 5,
        _ => 1,
    }
}
