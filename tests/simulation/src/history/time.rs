//! How time passes: in short steps while something happens, in long ones when nothing does.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::History;

/// While something happens, the consumers look this often.
const STEP_MS: i64 = 100;
/// The longest step of a silence.
const SILENT_STEP_MS: i64 = 20_000;
/// While an answer is waited for in a silence.
const ANSWER_STEP_MS: i64 = 900;
/// The end of a long step is lived through as it is, so that what was due then comes to its end.
const LIVED_MS: i64 = 200;

impl History {
    /// Until this moment, counted from the beginning.
    pub(super) async fn pass_until(&mut self, at_ms: i64) {
        let mut step_ms = STEP_MS;
        loop {
            let left_ms = at_ms - self.outside.diary.now_ms();
            if left_ms <= 0 {
                return;
            }
            self.pass_step(step_ms.min(left_ms)).await;
            if left_ms > 5_000 {
                step_ms = (step_ms * 5 / 4).min(SILENT_STEP_MS);
            } else {
                step_ms = STEP_MS;
            }
        }
    }

    /// So long, unless something is due before; then the consumers look.
    pub(super) async fn pass_step(&mut self, step_ms: i64) {
        let due_ms = self
            .group
            .next_due_ms()
            .map(|due_ms| due_ms - self.outside.diary.now_ms());
        let step_ms = due_ms.map_or(step_ms, |due_ms| step_ms.min(due_ms.max(1)));
        if step_ms > 2 * LIVED_MS {
            tokio::time::advance(millis(step_ms - LIVED_MS)).await;
            tokio::time::sleep(millis(LIVED_MS)).await;
            self.live_until_answered().await;
        } else {
            tokio::time::sleep(millis(step_ms)).await;
        }
        self.group.look();
    }
}

impl History {
    /// Nobody skips over an answer for which somebody waits.
    async fn live_until_answered(&self) {
        let until_ms = self.outside.diary.now_ms() + self.outside.settings.gateway_timeout_ms;
        while self.outside.on_the_wire.load(Ordering::Relaxed) > 0
            && self.outside.diary.now_ms() < until_ms
        {
            tokio::time::advance(millis(ANSWER_STEP_MS)).await;
            tokio::time::sleep(millis(STEP_MS)).await;
        }
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
