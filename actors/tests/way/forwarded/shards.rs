//! An instance with three shards, and records in their logs that may have been forwarded.

use almoner_actors::intake::FORWARDED;
use almoner_actors::ports::{
    Admission, Forward, Intake, LogRange, OwnedHeader, RawRecord, TimestampType,
};
use almoner_actors::world::Settings;
use almoner_domain::ids::{Place, Shard};
use almoner_domain::keys;
use almoner_domain::outcome::{OutcomeView, decode};
use almoner_domain::partition::Partitioner;
use almoner_domain::request::{self, Request};

use crate::support::{Durable, Instance, SHARD, settings};

const TOPIC: &str = "donations.requests";
const PARTITIONS: u32 = 3;
/// Where the partitions' logs begin.
const LOWS: [i64; 3] = [7, 41, 500];
pub const OTHER: Shard = Shard(1);
pub const THIRD: Shard = Shard(2);
/// Where a record stood first that was forwarded.
pub const FIRST: &str = "donations.requests/1/41";

/// A user of `SHARD`.
pub fn ann() -> String {
    let owner = |user: &String| Partitioner::Murmur2Random.partition(user.as_bytes(), PARTITIONS);
    let mut users = (0..).map(|n| format!("ann-{n}"));
    users.find(|user| owner(user) == SHARD.0).unwrap()
}

/// The log of the shard as a new owner finds it.
fn log(durable: &Durable, shard: Shard) -> LogRange {
    LogRange {
        committed: committed(durable, shard),
        low: LOWS[shard.0 as usize],
        high: 1_000_000,
    }
}

pub fn committed(durable: &Durable, shard: Shard) -> Option<i64> {
    let commits = durable.source.commits().into_iter();
    let of_shard = commits.filter(|commit| commit.shard == shard);
    of_shard.map(|commit| commit.next_offset).max()
}

/// An instance that owns all three partitions.
pub fn start(durable: &Durable) -> Instance {
    let three = Settings {
        partitions: PARTITIONS,
        ..settings()
    };
    let mut instance = Instance::start_with(durable, three, log(durable, SHARD));
    for shard in [OTHER, THIRD] {
        instance.intake.assigned(shard, log(durable, shard));
    }
    instance
}

/// A record as it is read.
pub struct Written {
    pub shard: Shard,
    pub offset: i64,
    key: Box<[u8]>,
    value: Box<[u8]>,
    headers: Vec<OwnedHeader>,
}

impl Written {
    pub fn new(shard: Shard, offset: i64, key: &str, request: &Request) -> Self {
        Self {
            shard,
            offset,
            key: key.as_bytes().into(),
            value: request::encode(request).into(),
            headers: Vec::new(),
        }
    }

    /// With our header, which says this.
    pub fn from(mut self, first: &str) -> Self {
        self.headers
            .push((FORWARDED.into(), Some(first.as_bytes().into())));
        self
    }

    /// The forwarded record, where the broker put it.
    pub fn delivered(forward: Forward, offset: i64) -> Self {
        Self {
            shard: forward.to,
            offset,
            key: forward.key.unwrap(),
            value: forward.value.unwrap(),
            headers: forward.headers,
        }
    }
}

pub fn read(instance: &mut Instance, written: &Written) {
    let headers = written.headers.iter();
    let record = RawRecord {
        topic: TOPIC,
        shard: written.shard,
        offset: written.offset,
        timestamp_ms: instance.durable.clock.wall_ms(),
        timestamp_type: TimestampType::LogAppendTime,
        key: Some(&written.key),
        value: Some(&written.value),
        headers: headers.map(|(n, v)| (&**n, v.as_deref())).collect(),
    };
    assert_eq!(instance.intake.offer(&record), Admission::Taken);
    instance.intake.flush();
}

pub async fn the_forward(instance: &Instance) -> Forward {
    instance
        .until("forwarded", |it| {
            it.durable.outcomes.published().forwards.len() == 1
        })
        .await;
    instance.durable.outcomes.published().forwards.remove(0)
}

pub async fn until_done(instance: &Instance, shard: Shard, next_offset: i64) {
    let what = format!("shard {shard} is done up to {next_offset}");
    instance
        .until(&what, |it| {
            committed(&it.durable, shard) == Some(next_offset)
        })
        .await;
}

/// What was told: each event or the reason of a rejection, and the place of the record that it answers, of which a
/// rejection's id is made.
pub fn told(instance: &Instance) -> Vec<(String, String)> {
    let messages = instance.durable.outcomes.published().messages;
    let told = messages.iter().map(|message| {
        let view: OutcomeView<'_> = decode(&message.value).unwrap();
        let source = view.source.unwrap();
        let place = Place {
            topic: source.topic.into(),
            partition: source.partition,
            offset: source.offset,
        };
        if view.event_type != "request.rejected" {
            return (view.event_type.to_owned(), place.to_string());
        }
        assert_eq!(view.event_id, keys::rejection_id(1, &place));
        (view.reason.unwrap().to_owned(), place.to_string())
    });
    told.collect()
}

pub fn borrowed(told: &[(String, String)]) -> Vec<(&str, &str)> {
    told.iter().map(|(what, at)| (&**what, &**at)).collect()
}

pub fn assert_told(instance: &Instance, expected: &[(&str, &str)]) {
    assert_eq!(borrowed(&told(instance)), expected);
}

/// The dead letters: why, of which place, and in which words.
pub fn buried(instance: &Instance) -> Vec<String> {
    let letters = instance.durable.outcomes.published().dead_letters;
    let letters = letters.iter().map(|letter| {
        let (topic, partition, offset) = (&letter.topic, letter.partition, letter.offset);
        let reason = letter.reason.as_str();
        format!("{reason} {topic}/{partition}/{offset}: {}", letter.detail)
    });
    letters.collect()
}
