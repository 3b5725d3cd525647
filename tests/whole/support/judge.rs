//! The verdict: what was asked, what was told, what the ledger says and what the gateway did.

use almoner_domain::request::{self, Record, Request, Rules};
use almoner_loadtest::{Kind, Planned, Verdict, Watch};

use super::follower::Seen;
use super::publisher::Post;
use super::world::World;

/// Judges sound donations that were published once each: gateway = ledger = outcomes, no double charge, no gap in a
/// sequence, nothing without an end.
pub fn judge(world: &World, posts: &[Post], seen: &Seen) -> Verdict {
    let mut watch = Watch::new(posts.len());
    for post in posts {
        watch.asked(&planned(post), 0);
    }
    watch.all_asked();
    for told in &seen.outcomes {
        watch.outcome(&told.view(), 0);
    }
    for letter in &seen.dead_letters {
        watch.dead_letter(&letter.copy());
    }
    almoner::demo::judge(&watch, &world.gateway.intents(), &world.books()).unwrap()
}

fn planned(post: &Post) -> Planned {
    let (key, value) = (post.key.clone().unwrap(), post.value.clone().unwrap());
    let record = Record {
        key: Some(&key),
        value: &value,
        schema_version: None,
    };
    let request = match request::decode(&record, &Rules::default()).unwrap() {
        Request::Donate(donation) => donation,
        other => panic!("not a donation: {other:?}"),
    };
    Planned {
        key: String::from_utf8(key).unwrap(),
        value,
        kind: Kind::First,
        id: Some(request.id),
        request: Some(request),
    }
}
