//! People who give, by a seed: cards that are charged, declined, slow and hesitant, repeats, and garbage.

use std::collections::BTreeMap;

use almoner_domain::ids::DonationId;
use almoner_domain::request::DonationRequest;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::promises::asked;
use crate::support::{Fields, Place, Post, Publisher, Seen, World, id};

/// So many give at the same time, so that some wait for their own turn.
const USERS: u32 = 24;

/// A crowd, and all that it has asked for.
pub struct Crowd {
    publisher: Publisher,
    dice: StdRng,
    gifts: Vec<Post>,
    asked: BTreeMap<Place, Option<DonationRequest>>,
}

impl Crowd {
    pub fn new(world: &World, seed: u64) -> Self {
        Self {
            publisher: world.publisher(),
            dice: StdRng::seed_from_u64(seed),
            gifts: Vec::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Publishes so many requests, and waits until the broker has them.
    pub fn give(&mut self, count: usize) {
        let posts: Vec<_> = (0..count).map(|_| self.post()).collect();
        let places = self.publisher.publish(&posts);
        let asked = posts.iter().map(asked);
        self.asked.extend(places.into_iter().zip(asked));
    }

    /// A number below.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.dice.random_range(0..bound.max(1))
    }

    /// What was asked, by place; none where nothing can be read.
    pub fn asked(&self) -> &BTreeMap<Place, Option<DonationRequest>> {
        &self.asked
    }

    pub fn places(&self) -> Vec<Place> {
        self.asked.keys().copied().collect()
    }

    /// Every donation once.
    pub fn ids(&self) -> Vec<DonationId> {
        (0..self.gifts.len()).map(|n| id(n as u32)).collect()
    }

    /// How many requests nothing answers yet.
    pub fn unanswered(&self, seen: &Seen) -> u64 {
        let open = self.asked.keys().filter(|place| !seen.is_answered(**place));
        open.count() as u64
    }

    fn post(&mut self) -> Post {
        match self.below(100) {
            0..3 => self.garbage(),
            3..12 if !self.gifts.is_empty() => self.repeat(),
            12..20 => self.gift("pm_card_chargeDeclined"),
            20..25 => self.gift("pm_soft_1_issuer"),
            25..30 => self.gift("pm_processing_200_bank"),
            _ => self.gift("pm_card_visa"),
        }
    }

    fn gift(&mut self, payment_method: &str) -> Post {
        let n = self.gifts.len() as u32;
        let user = format!("user-{}", self.below(USERS.into()));
        let fields = Fields::donate(n, &user).text("payment_method", payment_method);
        let post = fields.post();
        self.gifts.push(post.clone());
        post
    }

    fn repeat(&mut self) -> Post {
        let n = self.below(self.gifts.len() as u64);
        self.gifts[n as usize].clone()
    }

    fn garbage(&mut self) -> Post {
        let length = self.below(40) + 1;
        Post {
            key: Some(b"nobody".to_vec()),
            value: Some((0..length).map(|_| self.dice.random()).collect()),
            ..Post::default()
        }
    }
}
