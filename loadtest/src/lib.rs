//! Traffic as people make it, and what judges what came of it. No I/O and no clock: the caller publishes, consumes and
//! says what time it is, so that a demo, a benchmark and a load test are the same traffic and the same judgement.
//!
//! - [`Scenario`]: how much, who, what, how often twice; plain data.
//! - [`Traffic`]: a scenario → the messages to publish, the same from the same seed. [`Planned`] is one of them.
//! - [`Answerer`]: what users say when they are asked about a suspected double.
//! - [`Watch`]: what was asked and what was told → what is outstanding, how it ended, and what contradicts itself.
//! - [`Verdict`]: gateway, ledger and outcomes, held against each other to the cent.

mod amount;
mod answerer;
mod campaigns;
mod dice;
mod people;
mod planned;
mod scenario;
mod spoil;
mod traffic;
mod verdict;
mod watch;
mod zipf;

pub use answerer::Answerer;
pub use planned::{Bad, Kind, Planned};
pub use scenario::{
    BadShares, Declines, DoubleClicks, Giving, Ids, Population, Repeats, Scenario, ScenarioFault,
    Texts,
};
pub use traffic::Traffic;
pub use verdict::{Books, Charges, ChargesById, Sums, Verdict};
pub use watch::{
    DeadLetterCopy, Fate, Finding, Held, LatencyMs, NotADeadLetter, Outstanding, Sent, Summary,
    Watch,
};
