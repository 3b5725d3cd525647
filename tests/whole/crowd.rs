//! People who give, by a seed: cards that are charged, declined, slow and hesitant, repeats, doubles and what their users
//! say about them, and garbage.

use std::collections::BTreeMap;

use almoner_domain::ids::DonationId;
use almoner_domain::request::DonationRequest;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::promises::asked;
use crate::support::{Fields, Place, Post, Publisher, Seen, World, hold_answer, id};

/// So many give at the same time unless it is said otherwise, so that some wait for their own turn.
const USERS: u32 = 48;

/// A double is of one of so many gifts before it.
const RECENT: usize = 40;

struct Gift {
    user: String,
    amount_minor: u64,
    post: Post,
}

/// A crowd, and all that it has asked for.
pub struct Crowd {
    publisher: Publisher,
    users: u32,
    dice: StdRng,
    gifts: Vec<Gift>,
    /// Gifts that look like an earlier one.
    doubles: Vec<u32>,
    asked: BTreeMap<Place, Option<DonationRequest>>,
}

impl Crowd {
    pub fn new(world: &World, seed: u64) -> Self {
        Self {
            publisher: world.publisher(),
            users: USERS,
            dice: StdRng::seed_from_u64(seed),
            gifts: Vec::new(),
            doubles: Vec::new(),
            asked: BTreeMap::new(),
        }
    }

    /// So many give at the same time.
    pub fn of_users(&mut self, users: u32) {
        self.users = users;
    }

    /// Publishes so many requests, and waits until the broker has them.
    pub fn give(&mut self, count: usize) {
        let posts: Vec<_> = (0..count).map(|_| self.post()).collect();
        self.publish(&posts);
    }

    /// So many gifts that are charged, each of another user; the answer is their numbers.
    pub fn give_plainly(&mut self, count: u32) -> Vec<u32> {
        let first = self.gifts.len() as u32;
        let numbers: Vec<_> = (first..first + count).collect();
        let posts: Vec<_> = numbers
            .iter()
            .map(|n| self.give_as(format!("plain-{n}"), 100 + u64::from(*n), "pm_card_visa"))
            .collect();
        self.publish(&posts);
        numbers
    }

    /// Clicks a second time for each of these gifts; the answer is the numbers of the doubles.
    pub fn click_again(&mut self, gifts: &[u32]) -> Vec<u32> {
        let first = self.gifts.len() as u32;
        let posts: Vec<_> = gifts.iter().map(|n| self.double_of(*n as usize)).collect();
        self.publish(&posts);
        (first..first + gifts.len() as u32).collect()
    }

    /// Publishes what nobody can read.
    pub fn give_garbage(&mut self) {
        let garbage = self.garbage();
        self.publish(&[garbage]);
    }

    /// Each user who was asked and has got no end of it says yes or no.
    pub fn answer_questions(&mut self, seen: &Seen) {
        let is_open = |n: &u32| seen.is_question(id(*n)) && seen.end_of(id(*n)).is_none();
        let open: Vec<_> = (0..self.gifts.len() as u32).filter(is_open).collect();
        let posts: Vec<_> = open.into_iter().map(|n| self.answer(n)).collect();
        self.publish(&posts);
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

    fn publish(&mut self, posts: &[Post]) {
        let places = self.publisher.publish(posts);
        let asked = posts.iter().map(asked);
        self.asked.extend(places.into_iter().zip(asked));
    }

    fn post(&mut self) -> Post {
        match self.below(100) {
            0..3 => self.garbage(),
            3..10 if !self.gifts.is_empty() => self.repeat(),
            10..17 if !self.gifts.is_empty() => self.double(),
            17..22 if !self.doubles.is_empty() => {
                let which = self.below(self.doubles.len() as u64) as usize;
                self.answer(self.doubles[which])
            }
            22..30 => self.gift("pm_card_chargeDeclined"),
            30..35 => self.gift("pm_soft_1_issuer"),
            35..40 => self.gift("pm_processing_200_bank"),
            _ => self.gift("pm_card_visa"),
        }
    }

    fn gift(&mut self, payment_method: &str) -> Post {
        let user = format!("user-{}", self.below(self.users.into()));
        let amount_minor = 100 + self.gifts.len() as u64;
        self.give_as(user, amount_minor, payment_method)
    }

    /// To the same campaign, by the same user, of the same amount.
    fn double(&mut self) -> Post {
        let back = self.below(self.gifts.len().min(RECENT) as u64) as usize;
        self.double_of(self.gifts.len() - 1 - back)
    }

    fn double_of(&mut self, like: usize) -> Post {
        let like = &self.gifts[like];
        let (user, amount_minor) = (like.user.clone(), like.amount_minor);
        self.doubles.push(self.gifts.len() as u32);
        self.give_as(user, amount_minor, "pm_card_visa")
    }

    fn give_as(&mut self, user: String, amount_minor: u64, payment_method: &str) -> Post {
        let post = Fields::donate(self.gifts.len() as u32, &user)
            .uint("amount_minor", amount_minor)
            .text("payment_method", payment_method)
            .post();
        self.gifts.push(Gift {
            user,
            amount_minor,
            post: post.clone(),
        });
        post
    }

    fn repeat(&mut self) -> Post {
        let n = self.below(self.gifts.len() as u64);
        self.gifts[n as usize].post.clone()
    }

    fn answer(&mut self, n: u32) -> Post {
        let says = ["confirm", "cancel"][self.below(2) as usize];
        hold_answer(says, n, &self.gifts[n as usize].user)
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
