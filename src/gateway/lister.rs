//! One reading of the gateway's list answers everybody who waits for it. A list has as many pages as the gateway has
//! intents in its range, whoever asks; read for each caller alone, it would take the gateway's time from the charges.

mod reading;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use almoner_actors::ports::{Done, GatewayCall};
use almoner_domain::answer::Answer;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep};

use super::Client;
use super::stripe::Prepared;
use reading::{Waiting, clusters};

/// After a round of readings there is quiet for twice the time that it took, so that reading takes at most a third of
/// the time; but never less than the one, nor more than the other.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Reads the list for all who ask. A reading answers only calls that came before it began, so what was done at the
/// gateway before a call is in its answer. Dropped, it answers all who wait as lost.
pub(super) struct Lister {
    /// As many wait as the gateway actor lets be in flight.
    asked: UnboundedSender<Asked>,
    task: AbortHandle,
}

/// A call that waits for a reading to begin.
struct Asked {
    call: GatewayCall,
    done: Done<Answer>,
    at: Instant,
}

impl Lister {
    /// One that reads on `handle`'s runtime, and nothing until somebody asks.
    pub(super) fn new(client: Arc<Client>, handle: &Handle) -> Self {
        let (asked, waiting) = unbounded_channel();
        let rounds = rounds(client, handle.clone(), waiting);
        Self {
            asked,
            task: handle.spawn(rounds).abort_handle(),
        }
    }

    /// The call ([`Call::List`](almoner_domain::donation::Call::List)) is answered by the next reading that begins.
    pub(super) fn ask(&self, call: GatewayCall, done: Done<Answer>) {
        let at = Instant::now();
        // It fails only when the runtime has ended; the completion, dropped then, says so.
        let _ = self.asked.send(Asked { call, done, at });
    }
}

impl Drop for Lister {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Round after round, each for all who wait when it begins.
async fn rounds(client: Arc<Client>, handle: Handle, mut asked: UnboundedReceiver<Asked>) {
    let mut waiting = Vec::new();
    while asked.recv_many(&mut waiting, usize::MAX).await > 0 {
        let began = Instant::now();
        // A task of its own, so that a completion that panics ends this round alone; it ends with the lister, too.
        let mut round = JoinSet::new();
        round.spawn_on(
            answer_all(Arc::clone(&client), mem::take(&mut waiting)),
            &handle,
        );
        if let Some(Err(error)) = round.join_next().await {
            tracing::error!("a reading of the gateway's list ended early: {error}");
        }
        sleep(pause_after(began.elapsed())).await;
    }
}

fn pause_after(took: Duration) -> Duration {
    took.saturating_mul(2).clamp(PAUSE_MIN, PAUSE_MAX)
}

async fn answer_all(client: Arc<Client>, asked: Vec<Asked>) {
    let mut waiting = Vec::with_capacity(asked.len());
    for asked in asked {
        match Prepared::new(&asked.call).map(|prepared| prepared.charged) {
            Ok(charged) => waiting.push(Waiting::new(asked, charged)),
            Err(none) => {
                let answer = client.instead(&asked.call, none.into());
                asked.answer(&client, answer);
            }
        }
    }
    for reading in clusters(waiting) {
        reading.run(&client).await;
    }
}

impl Asked {
    fn answer(self, client: &Client, answer: Answer) {
        let Self { call, done, at } = self;
        client.telemetry.answered(&call.call, &answer, at.elapsed());
        done.call(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_at_most_a_third_of_the_time_and_nobody_waits_for_ever() {
        let ms = Duration::from_millis;
        for (took, pause) in [
            (0, 200),
            (100, 200),
            (101, 202),
            (9_000, 18_000),
            (60_000, 30_000),
        ] {
            assert_eq!(pause_after(ms(took)), ms(pause));
        }
    }
}
