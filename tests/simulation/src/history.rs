//! One history from its first record to its end: traffic and troubles as its script says; then the faults stop, and all must
//! come to its end.

mod group;
mod restore;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use almoner_actors::ports::{Claimed, Done, MarkWrite, Recorded, Store, StoreError};
use almoner_actors::world::Alarm;
use almoner_domain::campaign::{Campaign, CampaignChange, Status};
use almoner_domain::donation::{PendingKind, Rules, State};
use almoner_domain::ids::{CampaignId, Shard};

use self::group::Group;
use crate::broker::Record;
use crate::chance::hash;
use crate::coverage::{Counting, Steps, impossible_step};
use crate::defect::Defect;
use crate::diary::lock;
use crate::figures::settings;
use crate::judge::{Finding, I1, LIVENESS, STEPS, at_the_end};
use crate::outside::Outside;
use crate::script::{Ask, Script, Site, What, euro};

/// What became of a history.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What did not hold.
    pub findings: Vec<Finding>,
    /// Its diary, if it was kept.
    pub diary: Vec<String>,
    /// What was injected, and how often.
    pub injected: BTreeMap<&'static str, u64>,
    /// Which answers came to which calls.
    pub answers: BTreeMap<(&'static str, &'static str), u64>,
    /// In which state what happened.
    pub steps: Steps,
    /// Which calls of ports failed, and how.
    pub points: BTreeMap<(&'static str, &'static str), u64>,
    /// Where ports failed.
    pub fired: BTreeSet<Site>,
    /// Records written.
    pub records: u64,
    /// Virtual time that passed.
    pub virtual_ms: i64,
}

/// Runs the history of this script on the calling thread.
#[must_use]
pub fn run(script: &Script, defect: Option<&'static Defect>, is_read: bool) -> Told {
    hush();
    let paused = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let counting = Counting::default();
    let told = tracing::subscriber::with_default(counting.clone(), || {
        actix::System::with_tokio_rt(paused).block_on(live(script, defect, is_read))
    });
    let steps = counting.steps();
    let cannot_be = steps.keys().filter_map(|(state, event)| {
        let why = impossible_step(state, event)?;
        let what = format!("{state}: {event}, which cannot be: {why}");
        Some(Finding {
            invariant: STEPS,
            what,
        })
    });
    let findings = told.findings.into_iter().chain(cannot_be).collect();
    Told {
        findings,
        steps,
        ..told
    }
}

/// Planned panics are not worth a word.
fn hush() {
    static HUSHED: std::sync::Once = std::sync::Once::new();
    HUSHED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let words = info.payload_as_str().unwrap_or_default();
            if !words.starts_with("planned") {
                usual(info);
            }
        }));
    });
}

async fn live(script: &Script, defect: Option<&'static Defect>, is_read: bool) -> Told {
    let mut settings = settings(&script.weather);
    let rules = settings.rules;
    if let Some(defect) = defect {
        (defect.settings)(&mut settings);
    }
    let outside = Outside::new(script, settings, defect, is_read);
    let mut history = History {
        group: Group::start(&outside, &script.weather),
        outside,
        rules,
        records: 0,
    };
    history.begin();
    history.storm(script).await;
    history.calm(defect.is_some()).await;
    history.told()
}

struct History {
    outside: Arc<Outside>,
    group: Group,
    /// As they should be.
    rules: Rules,
    records: u64,
}

impl History {
    fn begin(&self) {
        for (id, is_open) in [
            ("camp", true),
            ("viral", true),
            ("closing", true),
            ("shut", false),
        ] {
            self.put_campaign(id, 1, is_open);
        }
    }

    fn put_campaign(&self, id: &str, version: u64, is_open: bool) {
        let campaign = Campaign {
            campaign_id: CampaignId::parse(id).unwrap(),
            version,
            status: if is_open {
                Status::Open
            } else {
                Status::Closed
            },
            currency: euro(),
            creator_account: "acct_1".into(),
            amount_minor_min: None,
            amount_minor_max: Some(1_000_000),
            title: "".into(),
        };
        let described = CampaignChange::Described(campaign);
        lock(&self.outside.campaigns).insert(id.into(), described.clone());
        self.outside
            .disk
            .rows
            .put_campaign(described, Done::new(|_| {}));
    }

    async fn storm(&mut self, script: &Script) {
        for event in &script.events {
            self.pass_until(event.at_ms).await;
            self.happen(&event.what);
        }
        let last_ms = script.events.last().map_or(0, |event| event.at_ms);
        self.pass_until(last_ms + script.weather.tail_ms).await;
    }

    fn happen(&mut self, what: &What) {
        if !matches!(what, What::Write(_)) {
            self.outside.diary.note(|| what.to_string());
            self.outside.faults.count(what.name());
        }
        match what {
            What::Write(ask) => self.write(ask),
            What::Kill {
                slot,
                back_after_ms,
            } => self.group.kill(*slot, *back_after_ms),
            What::Freeze { slot, for_ms } => self.group.freeze(*slot, *for_ms),
            What::Lose {
                partition,
                told_after_ms,
            } => self.group.lose(*partition, *told_after_ms),
            What::HandOver { partition } => self.group.hand_over(*partition),
            What::LeaderChange {
                partition,
                for_ms,
                twice,
                forgotten,
            } => {
                let (partition, twice, forgotten) = (*partition, *twice, *forgotten);
                self.outside.broker.lead(partition, true);
                let up = group::Action::LeaderUp {
                    partition,
                    twice,
                    forgotten,
                };
                self.group.later(*for_ms, up);
            }
            What::Twin { for_ms } => self.group.twin(*for_ms),
            What::PartitionAdded { for_ms } => self.group.add_partition(*for_ms),
            What::Backup => {
                *lock(&self.outside.disk.backup) = Some(self.outside.disk.rows.copy());
            }
            What::Restore { back_after_ms } => self.group.restore(*back_after_ms),
            What::StoreDown { for_ms } => {
                let is_durable = self.outside.faults.dice("failed commit", 0).permille(500);
                self.outside.disk.fail(is_durable);
                self.group.later(*for_ms, group::Action::StoreUp);
            }
            What::Retention { partition } => {
                let is_dropped = self.outside.broker.drop_log(*partition);
                self.outside.diary.note(|| format!("dropped: {is_dropped}"));
            }
            What::BrokerDown { for_ms } => {
                self.outside.is_broker_down.store(true, Ordering::Relaxed);
                self.group.later(*for_ms, group::Action::BrokerUp);
            }
            What::GatewayDown { for_ms } => {
                self.outside.is_gateway_down.store(true, Ordering::Relaxed);
                self.group.later(*for_ms, group::Action::GatewayUp);
            }
            What::Campaign {
                id,
                version,
                is_open,
            } => self.put_campaign(id, *version, *is_open),
        }
    }

    /// One more record in the log.
    fn write(&mut self, ask: &Ask) {
        let (key, value) = (ask.key(), ask.value());
        let partition = ask.partition.unwrap_or_else(|| self.partition_for(&key));
        let at_ms = self.outside.clock.wall_ms();
        let offset = self.outside.broker.append(
            partition,
            Record {
                at_ms,
                key,
                value,
                headers: Vec::new(),
            },
        );
        self.records += 1;
        self.outside.diary.note(|| {
            let what = What::Write(ask.clone());
            format!("{what} (offset {offset} of partition {partition})")
        });
    }

    /// Where a front end writes what has this key. While the topic has a partition more, half of them know.
    fn partition_for(&self, key: &[u8]) -> u32 {
        let (outside, count) = (&self.outside, self.outside.broker.count());
        let knows = || outside.faults.dice("partitions", hash(key)).permille(500);
        if count > outside.settings.partitions && knows() {
            return outside.settings.partitioner.partition(key, count);
        }
        outside.partition_of(key)
    }

    /// The faults stop, and all comes to its end.
    async fn calm(&mut self, is_control: bool) {
        self.outside.diary.note(|| "the faults stop".into());
        self.outside.faults.stop();
        self.group.cure();
        let rules = self.rules;
        let longest_ms = match is_control {
            true => rules.key_lifetime_ms + 3_600_000,
            false => 2 * rules.max_age_ms,
        };
        let until_ms = self.outside.diary.now_ms() + longest_ms;
        let mut step_ms = 500;
        while !self.is_through() && self.outside.diary.now_ms() < until_ms {
            self.pass_step(step_ms).await;
            step_ms = (step_ms * 5 / 4).min(30_000);
        }
    }

    fn is_through(&self) -> bool {
        self.outside.broker.is_all_committed()
            && self.group.in_flight() == 0
            && !self.outside.disk.rows.any(is_open)
    }

    fn told(self) -> Told {
        let outside = &self.outside;
        if !outside.broker.is_all_committed() {
            outside.judge.find(LIVENESS, "not all is committed".into());
        }
        let in_flight = self.group.in_flight();
        if in_flight > 0 {
            outside
                .judge
                .find(LIVENESS, format!("{in_flight} credits are gone"));
        }
        let mut findings = outside.judge.findings();
        let mut bank = lock(&outside.bank);
        bank.pass_to(i64::MAX);
        findings.extend(at_the_end(
            &outside.judge,
            &outside.disk.rows,
            &bank,
            outside,
        ));
        Told {
            findings,
            diary: outside.diary.lines(),
            injected: outside.faults.injected(),
            answers: lock(&outside.answers).clone(),
            steps: Steps::new(),
            points: outside.faults.points(),
            fired: outside.faults.fired(),
            records: self.records,
            virtual_ms: outside.diary.now_ms(),
        }
    }
}

/// Whether a donation is not through: what was charged after "failed" was told waits for a person.
pub(crate) fn is_open(it: &Recorded) -> bool {
    let state = it.finish.as_ref().map(|finish| finish.ending.state);
    let waits = it.pending.as_ref().map(|(pending, _)| pending.kind);
    match (state, waits) {
        (Some(State::Failed | State::Cancelled), Some(PendingKind::Surplus)) => false,
        (state, waits) => state.is_none() || waits.is_some(),
    }
}

/// What a process's alarm means here: it ends, and starts again. But log and store never contradict each other.
fn hear(outside: &Outside, number: u64, alarm: &Alarm) {
    outside
        .diary
        .note(|| format!("process {number} raises an alarm: {alarm}"));
    outside.faults.count("alarm");
    let is_right = match alarm {
        Alarm::Escalated { .. } => true,
        // It looked at the log before another one went on with it.
        Alarm::AnotherLog { shard, marked, .. } => outside.broker.log(shard.0).high >= *marked,
        // Where there was one more, it may be heard of after that was cured.
        Alarm::PartitionsChanged { partitions, .. } => outside.broker.most() > *partitions,
        Alarm::RequestsLost { shard, from, to } => accept_loss(outside, *shard, *from..*to),
        _ => false,
    };
    if !is_right {
        outside.judge.find(I1, format!("alarm: {alarm}"));
    }
}

/// A person accepts what the log has lost: store and group go on where it begins. Says whether it has lost that.
fn accept_loss(outside: &Outside, shard: Shard, lost: Range<i64>) -> bool {
    let low = outside.broker.log(shard.0).low;
    outside.disk.rows.tell_lost(shard, lost.clone());
    mark(outside, shard, low);
    outside.broker.accept_loss(shard.0);
    outside.judge.lost(shard.0, lost.clone());
    lost.end <= low
}

/// The topic has again the partitions for which the store was made. What was written to the one that is gone is written where it
/// belongs.
fn remove_partition(outside: &Outside) {
    for record in outside.broker.remove_partition() {
        let partition = outside.partition_of(&record.key);
        let at_ms = outside.clock.wall_ms();
        outside.broker.append(partition, Record { at_ms, ..record });
    }
}

/// The store takes all below for done, as a new owner of the shard.
fn mark(outside: &Outside, shard: Shard, next_offset: i64) {
    let rows = Arc::clone(&outside.disk);
    let marked = Done::new(move |claimed: Result<Claimed, StoreError>| {
        if let Ok(Claimed {
            epoch, stream_ms, ..
        }) = claimed
        {
            let mark = MarkWrite {
                shard,
                epoch,
                next_offset,
                stream_ms,
            };
            rows.rows.mark(mark, Done::new(|_| {}));
        }
    });
    outside.disk.rows.claim(shard, marked);
}

/// Which of what waited for a commit of the store a crash leaves durable.
fn durable_at_crash(outside: &Outside, number: u64) -> usize {
    let waiting = outside.disk.waiting_of(number) as u64;
    outside
        .faults
        .dice("crash", hash(&number.to_le_bytes()))
        .below(waiting + 1) as usize
}
