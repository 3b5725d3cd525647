//! From a seed to a script: mostly a storm of a minute, now and then hours or days.

use almoner_domain::request::Request;

use super::{Ask, Body, Event, Script, Weather, What, donation, hold_answer};
use crate::chance::Chance;

/// Records of a history, at the least.
pub const RECORDS_MIN: usize = 200;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A UTC midnight.
const MIDNIGHT_MS: i64 = 20_718 * DAY_MS;

/// The history of this seed.
#[must_use]
pub fn generate(seed: u64) -> Script {
    let mut chance = Chance::new(seed);
    let weather = weather(&mut chance);
    let mut events = traffic(&mut chance, &weather);
    let end_ms = events.last().map_or(0, |last| last.at_ms);
    for _ in 0..2 + chance.below(6) {
        let at_ms = chance.between(0, end_ms + 1);
        let what = trouble(&mut chance, &weather);
        let lasts_ms = outage_ms(&what);
        events.push(Event { at_ms, what });
        if matches!(
            events.last(),
            Some(Event {
                what: What::Kill { .. },
                ..
            })
        ) && chance.permille(200)
        {
            let partition = chance.below(u64::from(weather.partitions)) as u32;
            let what = What::Retention { partition };
            events.push(Event {
                at_ms: at_ms + chance.between(1, 5_000),
                what,
            });
        }
        if lasts_ms > 1_000 && chance.permille(500) {
            let what = trouble(&mut chance, &weather); // troubles come together
            events.push(Event {
                at_ms: at_ms + chance.between(0, lasts_ms),
                what,
            });
        }
    }
    if weather.tail_ms > HOUR_MS {
        for _ in 0..chance.below(8) {
            let at_ms = end_ms + chance.between(0, weather.tail_ms);
            let what = trouble(&mut chance, &weather);
            events.push(Event { at_ms, what });
        }
    }
    if chance.permille(80) {
        restore(&mut chance, end_ms, &mut events);
    }
    campaigns(&mut chance, end_ms, &mut events);
    events.sort_by_key(|event| event.at_ms); // stable
    Script {
        seed,
        weather,
        events,
        sites_only: None,
    }
}

fn weather(chance: &mut Chance) -> Weather {
    let is_long = chance.permille(40);
    let slots = if chance.permille(500) { 2 } else { 1 };
    let skew = |chance: &mut Chance| match chance.below(3) {
        0 => chance.between(-5_000, 5_000),
        _ => 0,
    };
    let is_gateway_late = chance.permille(80);
    let lifetime_ms = if is_long { DAY_MS } else { HOUR_MS };
    let tail_ms = match is_gateway_late || chance.permille(100) {
        true => 2 * lifetime_ms + chance.between(0, lifetime_ms),
        false => 2_000,
    };
    Weather {
        // One history of four comes by midnight.
        start_ms: match chance.below(4) {
            0 => MIDNIGHT_MS - chance.between(0, 30_000),
            _ => MIDNIGHT_MS + chance.between(0, DAY_MS),
        },
        partitions: 1 + chance.below(3) as u32,
        slots,
        skews_ms: [skew(chance), skew(chance)],
        port_faults_permille: [0, 30, 100, 250][chance.below(4) as usize],
        crashes_permille: [0, 0, 0, 4][chance.below(4) as usize],
        gateway_faults_permille: [50, 200, 300, 600][chance.below(4) as usize],
        is_long,
        tail_ms,
        is_gateway_late,
    }
}

/// The store is replaced by a copy that was made before. What retention drops besides is lost to any copy, and so is left out.
fn restore(chance: &mut Chance, end_ms: i64, events: &mut Vec<Event>) {
    events.retain(|event| !matches!(event.what, What::Retention { .. }));
    let restored_ms = chance.between(0, end_ms + 1);
    if chance.permille(850) {
        let at_ms = chance.between(0, restored_ms + 1);
        let what = What::Backup;
        events.push(Event { at_ms, what });
    }
    let back_after_ms = match chance.below(4) {
        0 => chance.between(MINUTE_MS, 26 * HOUR_MS),
        _ => chance.between(500, 30_000),
    };
    events.push(Event {
        at_ms: restored_ms,
        what: What::Restore { back_after_ms },
    });
}

/// Who asks, and what was asked for first under each id.
struct Users {
    asked: Vec<(u32, String, &'static str, u64)>,
    count: u64,
}

fn traffic(chance: &mut Chance, weather: &Weather) -> Vec<Event> {
    let mut users = Users {
        asked: Vec::new(),
        count: 4 + chance.below(12),
    };
    let mut events = Vec::new();
    let silences = chance.below(3);
    let mut at_ms = 0;
    while events.len() < RECORDS_MIN {
        at_ms += chance.between(0, 130);
        if chance.permille(2 * silences) {
            at_ms += silence_ms(chance, weather);
        }
        let hostile = if chance.permille(6) {
            10 + chance.below(15)
        } else {
            1
        };
        for _ in 0..hostile {
            let body = users.ask(chance, hostile > 1);
            let is_double_click = chance.permille(30);
            let partition = chance
                .permille(15)
                .then(|| chance.below(u64::from(weather.partitions)) as u32);
            let ask = Ask { body, partition };
            if is_double_click {
                events.push(Event {
                    at_ms: at_ms + chance.between(0, 20),
                    what: What::Write(ask.clone()),
                });
            }
            events.push(Event {
                at_ms,
                what: What::Write(ask),
            });
        }
    }
    events
}

fn silence_ms(chance: &mut Chance, weather: &Weather) -> i64 {
    match chance.below(if weather.is_long { 4 } else { 3 }) {
        0 => chance.between(2_000, 30_000),
        1 => chance.between(MINUTE_MS, 10 * MINUTE_MS),
        2 => chance.between(10 * MINUTE_MS, HOUR_MS),
        _ => chance.between(5 * HOUR_MS, 26 * HOUR_MS),
    }
}

impl Users {
    fn ask(&mut self, chance: &mut Chance, is_hostile: bool) -> Body {
        let known = chance.pick(&self.asked).cloned();
        if is_hostile {
            return Body::Request(self.give(chance, "mallory".into(), "camp"));
        }
        let request = match (chance.below(100), known) {
            (0, _) => {
                return Body::Garbage(
                    [
                        b"\xc1 no MessagePack".as_slice(),
                        b"",
                        b"\x80",
                        b"\x81\xa2id",
                    ][chance.below(4) as usize],
                );
            }
            (1, _) => return self.card_number(chance),
            (2..=14, Some((n, user, campaign, amount))) => {
                Request::Donate(donation(n, &user, campaign, amount))
            }
            (15..=16, Some((n, user, campaign, amount))) => {
                Request::Donate(donation(n, &user, campaign, amount + 1))
            }
            (17..=18, Some((n, _, campaign, amount))) => {
                Request::Donate(donation(n, "eve", campaign, amount))
            }
            (19..=30, Some((n, user, _, _))) => Request::Confirm(hold_answer(n, &user)),
            (31..=35, Some((n, user, _, _))) => Request::Cancel(hold_answer(n, &user)),
            (36, Some((n, _, _, _))) => Request::Confirm(hold_answer(n, "eve")),
            (37, _) => Request::Confirm(hold_answer(900_000 + chance.below(9) as u32, "ann")),
            (93..=95, _) => self.give_by_anybody(chance, "closing"),
            (96..=97, _) => self.give_by_anybody(chance, "shut"),
            (98..=99, _) => self.give_by_anybody(chance, "nobody"),
            (60..=75, _) => self.give_by_anybody(chance, "viral"),
            _ => self.give_by_anybody(chance, "camp"),
        };
        Body::Request(request)
    }

    fn give_by_anybody(&mut self, chance: &mut Chance, campaign: &'static str) -> Request {
        let user = format!("user-{}", chance.below(self.count));
        self.give(chance, user, campaign)
    }

    fn give(&mut self, chance: &mut Chance, user: String, campaign: &'static str) -> Request {
        let n = self.asked.len() as u32 + 1;
        let amount = 500 + 100 * chance.below(3);
        let request = donation(n, &user, campaign, amount);
        self.asked.push((n, user, campaign, amount));
        Request::Donate(request)
    }

    fn card_number(&mut self, chance: &mut Chance) -> Body {
        match self.give_by_anybody(chance, "camp") {
            Request::Donate(request) => Body::CardNumber(request),
            other => Body::Request(other),
        }
    }
}

fn trouble(chance: &mut Chance, weather: &Weather) -> What {
    let slot = chance.below(weather.slots as u64) as usize;
    let partition = chance.below(u64::from(weather.partitions)) as u32;
    let hours = |chance: &mut Chance| match weather.is_long {
        true => chance.between(HOUR_MS, 25 * HOUR_MS),
        false => chance.between(MINUTE_MS, 3 * HOUR_MS),
    };
    let outage = |chance: &mut Chance| match chance.below(5) {
        0 => hours(chance),
        1 => chance.between(10_000, 3 * MINUTE_MS),
        _ => chance.between(50, 5_000),
    };
    match chance.below(15) {
        0..=2 => What::Kill {
            slot,
            back_after_ms: match chance.below(4) {
                0 => outage(chance),
                _ => chance.between(0, 3_000),
            },
        },
        3..=4 => What::Freeze {
            slot,
            for_ms: match chance.below(4) {
                0 if weather.is_long => 25 * HOUR_MS,
                0..=1 => chance.between(45_000, 5 * MINUTE_MS),
                _ => chance.between(500, 45_000),
            },
        },
        5..=6 => What::Lose {
            partition,
            told_after_ms: match chance.below(3) {
                0 => 0,
                1 => chance.between(0, 5_000),
                _ => chance.between(10_000, 90_000),
            },
        },
        7..=8 => What::HandOver { partition },
        9 => What::StoreDown {
            for_ms: outage(chance),
        },
        10 => What::BrokerDown {
            for_ms: outage(chance),
        },
        11 => What::GatewayDown {
            for_ms: outage(chance),
        },
        12 if weather.slots == 1 => What::Twin {
            for_ms: outage(chance),
        },
        13 if chance.permille(400) => What::PartitionAdded {
            for_ms: chance.between(1_000, 10 * MINUTE_MS),
        },
        _ => What::LeaderChange {
            partition,
            for_ms: chance.between(50, 20_000),
            twice: chance.between(0, 6),
            forgotten: chance.between(0, 6),
        },
    }
}

fn outage_ms(what: &What) -> i64 {
    match what {
        What::StoreDown { for_ms } | What::BrokerDown { for_ms } | What::GatewayDown { for_ms } => {
            *for_ms
        }
        _ => 0,
    }
}

/// The campaign `closing` closes and opens again.
fn campaigns(chance: &mut Chance, end_ms: i64, events: &mut Vec<Event>) {
    let mut at_ms = 0;
    for version in 2..=5 {
        at_ms += chance.between(0, end_ms / 3 + 2);
        let is_open = version % 2 == 1;
        events.push(Event {
            at_ms,
            what: What::Campaign {
                id: "closing",
                version,
                is_open,
            },
        });
    }
}
