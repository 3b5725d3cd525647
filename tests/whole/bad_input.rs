//! Bad input, through Kafka: each row is published, and has its one fate with a sentence that a person can act on.
//! Between the rows neighbours give in the same partitions, and are charged.

mod bytes;
mod content;
mod fields;
mod holds;
mod money;
mod places;
mod secrets;

use std::cell::Cell;

use almoner_domain::campaign::{Campaign, Status};

use crate::support::{
    Fields, Follower, Instance, PARTITIONS, Place, Post, Publisher, Seen, Told, World, donate, get,
    open_campaign, wait_until,
};

/// All rows together may cost so much memory, many times what they do.
const MEMORY_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Neighbours' donations are numbered from here.
const NEIGHBOURS_FROM: u32 = 1_000_000;

/// What becomes of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Fate {
    /// The donation is charged.
    Succeeded,
    /// An outcome of this type for this reason, with this sentence.
    Told(&'static str, &'static str, String),
    /// `request.rejected` for this reason, naming this field, with this sentence.
    Rejected(&'static str, Option<&'static str>, String),
    /// A dead letter for this reason, with this sentence.
    DeadLetter(&'static str, String),
}

fn failed(reason: &'static str, sentence: &str) -> Fate {
    Fate::Told("donation.failed", reason, sentence.to_owned())
}

/// `invalid_request`.
fn rejected(field: &'static str, sentence: &str) -> Fate {
    Fate::Rejected("invalid_request", Some(field), sentence.to_owned())
}

fn dead(reason: &'static str, sentence: &str) -> Fate {
    Fate::DeadLetter(reason, sentence.to_owned())
}

/// One record and its fate.
struct Row {
    name: &'static str,
    post: Post,
    fate: Fate,
}

/// Makes rows: each gets the next number, and a user of its own in the next partition.
#[derive(Default)]
struct Table {
    rows: Vec<Row>,
    /// The number of the first one.
    from: u32,
}

impl Table {
    /// The number that the next row has.
    fn number(&self) -> u32 {
        self.from + u32::try_from(self.rows.len()).unwrap()
    }

    /// A table whose numbers go on where the other's end.
    fn after(other: &Self) -> Self {
        Self {
            rows: Vec::new(),
            from: other.number(),
        }
    }

    /// The user that the next row has.
    fn user(&self) -> String {
        let number = self.number();
        user_in(number % PARTITIONS, &format!("giver-{number}"))
    }

    /// A sound donation, but for what `spoil` does to its fields.
    fn field(&mut self, name: &'static str, spoil: impl FnOnce(Fields) -> Fields, fate: Fate) {
        let fields = Fields::donate(self.number(), &self.user());
        let post = spoil(fields).post();
        self.rows.push(Row { name, post, fate });
    }

    /// A sound donation's record, but for what `spoil` does to it. It stays in its partition.
    fn record(&mut self, name: &'static str, spoil: impl FnOnce(&mut Post), fate: Fate) {
        let mut post = donate(self.number(), &self.user());
        post.partition = Some(self.number() % PARTITIONS);
        spoil(&mut post);
        self.rows.push(Row { name, post, fate });
    }

    /// A record as it is, in the partition of its key.
    fn post(&mut self, name: &'static str, post: Post, fate: Fate) {
        self.rows.push(Row { name, post, fate });
    }

    /// A record with this value.
    fn value(&mut self, name: &'static str, value: &[u8], fate: Fate) {
        self.record(name, |post| post.value = Some(value.to_vec()), fate);
    }
}

/// A user whose requests go to this partition; the name begins with `prefix`.
fn user_in(partition: u32, prefix: &str) -> String {
    (0..)
        .map(|n| format!("{prefix}-{n}"))
        .find(|user| donate(0, user).shard() == partition)
        .unwrap()
}

/// The campaigns that the rows name.
fn campaigns() -> Vec<Campaign> {
    let mut closed = open_campaign("campaign-closed", "EUR");
    closed.status = Status::Closed;
    let mut bounded = open_campaign("campaign-bounded", "EUR");
    (bounded.amount_minor_min, bounded.amount_minor_max) = (Some(500), Some(1_000));
    vec![
        open_campaign("campaign-1", "EUR"),
        open_campaign(&"c".repeat(64), "EUR"),
        closed,
        bounded,
        open_campaign("campaign-gone", "EUR"),
    ]
}

fn campaign_posts() -> Vec<Post> {
    let of = |campaign: &str, value| Post {
        key: Some(campaign.as_bytes().to_vec()),
        value,
        ..Post::default()
    };
    let open = campaigns()
        .into_iter()
        .map(|it| of(it.campaign_id.as_str(), Some(it.encode())));
    open.chain([of("campaign-gone", None)]).collect()
}

/// A running instance with the rows' campaigns, and a front end.
struct Stage {
    world: World,
    follower: Follower,
    publisher: Publisher,
    instance: Instance,
    neighbours: Cell<u32>,
}

impl Stage {
    fn new(env: &[(&str, &str)]) -> Self {
        let world = World::new(&[]);
        let publisher = world.publisher();
        publisher.campaigns(&campaign_posts());
        let reject = [("ALMONER__DONATIONS__UNKNOWN_CAMPAIGNS", "reject")];
        Self {
            follower: world.follower(),
            instance: world.start_with(&[], &[&reject, env].concat()),
            publisher,
            world,
            neighbours: Cell::new(0),
        }
    }

    /// Publishes the rows with a neighbour after each, and checks that each has its fate and nothing stopped.
    fn check(&self, rows: &[Row]) {
        let memory_before = self.warm_up();
        let posts: Vec<_> = rows
            .iter()
            .flat_map(|row| [row.post.clone(), self.neighbour(row.post.shard())])
            .collect();
        let places = self.publisher.publish(&posts);
        self.follower.wait_answered(&places);
        let (bad, neighbours): (Vec<_>, Vec<_>) = places.chunks(2).map(|it| (it[0], it[1])).unzip();

        let seen = self.follower.seen();
        let wrong: Vec<_> = rows
            .iter()
            .zip(bad)
            .filter_map(|(row, place)| difference(row, place, &seen))
            .collect();
        assert!(
            wrong.is_empty(),
            "{} rows:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        for place in neighbours {
            assert_eq!(fates_at(place, &seen), [Fate::Succeeded], "a neighbour");
        }
        drop(seen);
        self.world.broker.wait_committed();
        let is_alive = || (get(self.instance.admin, "/livez").0 == 200).then_some(());
        wait_until("the instance to be alive", || 0, is_alive);
        let memory = self
            .instance
            .process
            .memory_peak_bytes()
            .saturating_sub(memory_before); // the kernel counts it only about exactly
        assert!(memory < MEMORY_BYTES_MAX, "{memory} bytes of memory");
    }

    /// Plain donations in every partition, so that what comes after is compared with an instance that is warm.
    fn warm_up(&self) -> u64 {
        let partitions = (0..PARTITIONS).cycle();
        let plain: Vec<_> = partitions.take(200).map(|it| self.neighbour(it)).collect();
        self.follower.wait_answered(&self.publisher.publish(&plain));
        self.instance.process.memory_peak_bytes()
    }

    /// A donation of somebody else in this partition.
    fn neighbour(&self, partition: u32) -> Post {
        self.neighbours.set(self.neighbours.get() + 1);
        neighbour(partition, self.neighbours.get())
    }
}

/// The n-th neighbour's donation, in this partition.
fn neighbour(partition: u32, n: u32) -> Post {
    donate(
        NEIGHBOURS_FROM + n,
        &user_in(partition, &format!("neighbour-{n}")),
    )
}

/// How a row's fate differs from what it should be.
fn difference(row: &Row, place: Place, seen: &Seen) -> Option<String> {
    let fates = fates_at(place, seen);
    (fates != [row.fate.clone()]).then(|| {
        let name = row.name;
        format!(
            "{name}:\n  should be  {:?}\n  is         {fates:?}",
            row.fate
        )
    })
}

/// What became of the record at this place: one fate, if all is well. Copies are one, and what is pending is no fate.
fn fates_at(place: Place, seen: &Seen) -> Vec<Fate> {
    let told = seen.outcomes.iter().filter(|told| told.place() == place);
    let mut fates: Vec<_> = told.filter_map(fate_of).collect();
    let letters = seen.dead_letters.iter().filter(|it| it.place() == place);
    fates.extend(letters.map(|letter| {
        let reason = letter.copy().reason.to_owned();
        Fate::DeadLetter(reason.leak(), letter.detail())
    }));
    fates.dedup();
    fates
}

fn fate_of(told: &Told) -> Option<Fate> {
    let view = told.view();
    let own = |text: Option<&str>| text.map(|text| &*text.to_owned().leak());
    let reason = own(view.reason).unwrap_or("");
    let detail = view.detail.unwrap().to_owned();
    match view.event_type {
        "donation.succeeded" => Some(Fate::Succeeded),
        "donation.pending" => None,
        "request.rejected" => Some(Fate::Rejected(reason, own(view.field), detail)),
        other => Some(Fate::Told(other.to_owned().leak(), reason, detail)),
    }
}

#[test]
fn each_bad_record_has_its_one_fate_and_stops_nothing() {
    let mut table = Table::default();
    bytes::rows(&mut table);
    places::rows(&mut table);
    fields::rows(&mut table);
    money::rows(&mut table);
    secrets::rows(&mut table);
    let stage = Stage::new(&[]);
    stage.check(&table.rows);
    bytes::assert_cut(&stage);
    secrets::assert_nowhere(stage);
}

#[test]
fn each_repeat_and_each_answer_has_its_one_fate() {
    let stage = Stage::new(&[]);
    // What follows from the first table is published when that has its fates: other partitions keep no order.
    let mut firsts = Table::default();
    let originals = content::first_rows(&mut firsts);
    let held = holds::first_rows(&mut firsts);
    stage.check(&firsts.rows);
    let mut table = Table::after(&firsts);
    content::rows(&mut table, &originals);
    holds::rows(&mut table, &held);
    stage.check(&table.rows);
    places::misplaced_records_are_forwarded(&stage);
    places::a_record_misplaced_twice_is_a_dead_letter(&stage);
    stage.instance.stop();
    stage.world.assert_audit_agrees();
}

#[test]
fn an_answer_that_comes_too_late_is_told_so() {
    holds::too_late();
}
