//! One request from its arrival to its answer: who asks, how often, what goes wrong, under which key, and the work.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use tokio::runtime::Handle;

use super::answer::{Answer, ApiError};
use super::body::AnswerBody;
use super::faults::{Fault, Profile, below};
use super::ids;
use super::keys::Claim;
use super::mix;
use super::reply::{IDEMPOTENCY_KEY, Reply};
use super::request_log::RequestLog;
use super::requests::{self, Operation};
use super::routes::{Route, route, unrecognized};
use super::stats::{Counters, Endpoint, FaultKind};
use super::world::{ClaimedKey, Execution, Mishap, World};

/// Stripe's own limit is smaller; nothing that is sent here comes near it.
const BODY_BYTES_MAX: usize = 1 << 20;
const KEY_CHARACTERS_MAX: usize = 255;

/// How the service behaves.
pub(crate) struct Behaviour {
    pub(crate) request_log: Option<RequestLog>,
    pub(crate) profile: Profile,
    pub(crate) seed: u64,
    pub(crate) latency_ms: u32,
    /// What `Authorization` must say.
    pub(crate) authorization: String,
    pub(crate) reconcile_bound_ms: u32,
    pub(crate) search_lag_ms: u32,
    pub(crate) requests_per_second_max: u32,
}

/// Answers requests.
pub(crate) struct Service {
    pub(crate) world: World,
    pub(crate) counters: Counters,
    pub(crate) behaviour: Behaviour,
    handle: Handle,
    requests: AtomicU64,
    /// How often a key had bad luck: its next send throws other dice.
    unlucky: Mutex<HashMap<u64, u32>>,
    /// The current second, and how many requests it has seen.
    this_second: Mutex<(i64, u32)>,
    late: AtomicUsize,
}

/// No answer: the connection is closed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no answer is sent to this request")]
pub(crate) struct NoAnswer;

/// Work for the world, with the key that it came with.
struct Work {
    operation: Operation,
    key: Option<Box<str>>,
    fingerprint: u64,
}

impl Service {
    pub(crate) fn new(world: World, behaviour: Behaviour, handle: Handle) -> Self {
        Self {
            world,
            counters: Counters::default(),
            behaviour,
            handle,
            requests: AtomicU64::new(0),
            unlucky: Mutex::default(),
            this_second: Mutex::default(),
            late: AtomicUsize::new(0),
        }
    }

    /// Answers one request.
    pub(crate) async fn answer<B: Body<Data = Bytes>>(
        self: Arc<Self>,
        request: Request<B>,
    ) -> Result<Response<AnswerBody>, NoAnswer>
    where
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let body = read(body).await?;
        let log = self.behaviour.request_log.as_ref();
        let mut arrived = log.map(|log| log.arrived(&head, self.world.clock.now_ms()));
        let ordinal = self.requests.fetch_add(1, Ordering::Relaxed);
        let route = route(&head.method, head.uri.path());
        self.counters.request(route.endpoint);
        let (reply, fault) = match self.admitted(&head, ordinal) {
            Err(reply) => (reply, None),
            Ok(()) if head.method == Method::POST => self.post(&head, route, body, ordinal).await?,
            Ok(()) => self.get(&head, route, ordinal).await?,
        };
        // Whoever is answered may rely on it: what this answer tells of is in the journal first.
        self.world.journal.durable().await.map_err(|_| NoAnswer)?;
        let slow = Duration::from_millis(self.behaviour.profile.body_slow_ms.into());
        let send: fn(Bytes, Duration) -> AnswerBody = match fault {
            Some(Fault::AnswerLost) => return Err(NoAnswer),
            Some(Fault::AnswerCut) => |body, _| AnswerBody::cut(body),
            Some(Fault::BodySlow) => AnswerBody::slow,
            _ => |body, _| AnswerBody::whole(body),
        };
        if let Some(arrived) = arrived.as_mut().filter(|_| fault.is_none()) {
            arrived.answered(reply.status());
        }
        let request_id = ids::Text::of(b"req_", self.world.tag, ordinal, 14);
        Ok(reply.response(&head.headers, request_id.as_str(), |body| send(body, slow)))
    }

    /// Whether the request gets as far as its endpoint. None of these answers is stored.
    fn admitted(&self, head: &Parts, ordinal: u64) -> Result<(), Reply> {
        let given = head.headers.get(AUTHORIZATION);
        if given.is_none_or(|given| given.as_bytes() != self.behaviour.authorization.as_bytes()) {
            return Err(self.refusal(&unauthorized(given.is_some())));
        }
        if self.is_beyond_rate() {
            self.counters.fault(FaultKind::RateLimited);
            return Err(self.refusal(&ApiError::rate_limited()).retry_after(Some(1)));
        }
        let burst = self
            .behaviour
            .profile
            .rate_limits(self.behaviour.seed, ordinal);
        match burst {
            None => Ok(()),
            Some(retry_after) => {
                self.counters.fault(FaultKind::RateLimited);
                Err(self
                    .refusal(&ApiError::rate_limited())
                    .retry_after(retry_after))
            }
        }
    }

    fn is_beyond_rate(&self) -> bool {
        let most = self.behaviour.requests_per_second_max;
        if most == 0 {
            return false;
        }
        let second = self.world.clock.now_ms() / 1000;
        let mut seen = locked(&self.this_second);
        if seen.0 != second {
            *seen = (second, 0);
        }
        seen.1 = seen.1.saturating_add(1);
        seen.1 > most
    }

    async fn get(
        self: &Arc<Self>,
        head: &Parts,
        route: Route<'_>,
        ordinal: u64,
    ) -> Result<(Reply, Option<Fault>), NoAnswer> {
        let fault = self.fault(mix::mix(ordinal), None);
        self.pause(mix::mix(ordinal)).await;
        match fault {
            Some(Fault::Reset | Fault::Late { .. }) => return Err(NoAnswer),
            Some(Fault::ErrorBefore | Fault::ErrorAfter | Fault::RolledForward) => {
                self.counters.fault(FaultKind::ErrorBefore);
                return Ok((self.refusal(&ApiError::internal()), None));
            }
            _ => {}
        }
        let reply = match self.look_up(head, route) {
            Ok(body) => Reply::new(200, body),
            Err(error) => self.refusal(&error),
        };
        Ok((reply, fault))
    }

    fn look_up(
        &self,
        head: &Parts,
        Route { endpoint, id }: Route<'_>,
    ) -> Result<Vec<u8>, ApiError> {
        let query = head.uri.query().unwrap_or_default().as_bytes();
        let (world, now_ms) = (&self.world, self.world.clock.now_ms());
        let expands = |what| requests::expanded(query, what);
        match endpoint {
            Endpoint::FetchIntent => world.rendered_intent(id, expands("latest_charge")?, now_ms),
            Endpoint::ListIntents => world.list_intents(query, now_ms),
            Endpoint::SearchIntents => {
                world.search_intents(query, now_ms, self.behaviour.search_lag_ms.into())
            }
            Endpoint::FetchRefund => world.found_refund(id),
            Endpoint::ListRefunds => world.list_refunds(query),
            Endpoint::FetchCharge => world.rendered_charge(id, now_ms),
            Endpoint::FetchMethod => world.rendered_method(id, now_ms),
            Endpoint::CreateIntent
            | Endpoint::ConfirmIntent
            | Endpoint::CancelIntent
            | Endpoint::CreateRefund
            | Endpoint::CreateMethod
            | Endpoint::Unknown => Err(unrecognized(&head.method, head.uri.path())),
        }
    }

    async fn post(
        self: &Arc<Self>,
        head: &Parts,
        route: Route<'_>,
        body: Bytes,
        ordinal: u64,
    ) -> Result<(Reply, Option<Fault>), NoAnswer> {
        let work = match read_work(head, route, &body) {
            Ok(work) => work,
            Err(error) => return Ok((self.refusal(&error), None)),
        };
        let subject = match &work.key {
            Some(key) => mix::hash(1, key.as_bytes()),
            None => mix::mix(ordinal),
        };
        let fault = self.fault(subject, work.key.as_deref());
        let mishap = match fault {
            Some(Fault::Reset) => return Err(NoAnswer),
            Some(Fault::Late { delay_ms }) => {
                self.carry_out_later(work, delay_ms);
                return Err(NoAnswer);
            }
            Some(Fault::ErrorBefore) => Mishap::ErrorBefore,
            Some(Fault::ErrorAfter) => Mishap::ErrorAfter,
            Some(Fault::RolledForward) => {
                let most = self.behaviour.reconcile_bound_ms.saturating_sub(1);
                let delay_ms = 1 + i64::from(below(mix::mix(subject), most));
                Mishap::RolledForward { delay_ms }
            }
            _ => Mishap::None,
        };
        Ok((self.carry_out(work, mishap, subject).await?, fault))
    }

    /// Claims the key, and carries the work out if it is ours to do. Once begun, it goes on without its caller.
    async fn carry_out(
        self: &Arc<Self>,
        work: Work,
        mishap: Mishap,
        subject: u64,
    ) -> Result<Reply, NoAnswer> {
        let now_ms = self.world.clock.now_ms();
        if let Some(reply) = self.claimed(&work, now_ms) {
            if reply.is_replay() {
                self.pause(subject).await;
            }
            return Ok(reply);
        }
        let pause_ms = self.pause_ms(subject);
        if pause_ms == 0 {
            return Ok(self.finish(work, now_ms, mishap));
        }
        let service = self.clone();
        let running = self.handle.spawn(async move {
            tokio::time::sleep(Duration::from_millis(pause_ms.into())).await;
            service.finish(work, now_ms, mishap)
        });
        running.await.map_err(|_| NoAnswer)
    }

    /// None: the work is ours. Else the answer.
    fn claimed(&self, work: &Work, now_ms: i64) -> Option<Reply> {
        let key = work.key.as_deref()?;
        match self.world.keys.claim(key, work.fingerprint, now_ms) {
            Claim::Fresh => None,
            Claim::Replay(answer) => {
                self.counters.replay();
                Some(self.stored(&answer).replayed())
            }
            Claim::InUse => Some(self.refusal(&ApiError::key_in_use(key)).should_retry(true)),
            Claim::Reused => Some(self.refusal(&ApiError::key_reused(key))),
        }
    }

    fn finish(&self, work: Work, first_used_ms: i64, mishap: Mishap) -> Reply {
        let Work {
            operation,
            key,
            fingerprint,
        } = work;
        let claimed = key.as_deref().map(|key| ClaimedKey {
            key,
            fingerprint,
            first_used_ms,
        });
        let execution = Execution {
            key: claimed,
            mishap,
        };
        self.count_mishap(mishap);
        let answer = self.world.execute(operation, &execution);
        if let Some(key) = &key {
            self.world.keys.finish(key, &answer);
        }
        self.stored(&answer)
    }

    /// An answer that its key keeps. To send a 500 again leads nowhere, and Stripe says so.
    fn stored(&self, answer: &Answer) -> Reply {
        let reply = Reply::new(answer.status(), self.world.render(answer));
        if answer.status() >= 500 {
            reply.should_retry(false)
        } else {
            reply
        }
    }

    /// Carries the work out when its caller has long gone, as if it came only then.
    fn carry_out_later(self: &Arc<Self>, work: Work, delay_ms: u32) {
        let service = self.clone();
        self.late.fetch_add(1, Ordering::SeqCst);
        self.handle.spawn(async move {
            tokio::time::sleep(Duration::from_millis(delay_ms.into())).await;
            let now_ms = service.world.clock.now_ms();
            if service.claimed(&work, now_ms).is_none() {
                service.finish(work, now_ms, Mishap::None);
            }
            service.late.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// How many things will still happen by themselves: late requests, and what intents have ahead of them.
    pub(crate) fn still_to_come(&self) -> usize {
        let ahead = self.world.still_to_come(self.world.clock.now_ms());
        self.late.load(Ordering::SeqCst) + ahead
    }

    fn fault(&self, subject: u64, key: Option<&str>) -> Option<Fault> {
        let Behaviour {
            profile,
            seed,
            reconcile_bound_ms,
            ..
        } = &self.behaviour;
        if *profile == Profile::none() {
            return None;
        }
        let nth = match key {
            Some(_) => locked(&self.unlucky).get(&subject).copied().unwrap_or(0),
            None => 0,
        };
        let fault = match profile.fault(*seed, subject, nth)? {
            Fault::Late { delay_ms } => Fault::Late {
                delay_ms: delay_ms.min(*reconcile_bound_ms),
            },
            other => other,
        };
        if key.is_some() {
            *locked(&self.unlucky).entry(subject).or_default() += 1;
        }
        match fault {
            Fault::Reset => self.counters.fault(FaultKind::ResetBefore),
            Fault::Late { .. } => self.counters.fault(FaultKind::LateExecution),
            Fault::AnswerLost => self.counters.fault(FaultKind::AnswerLost),
            Fault::AnswerCut => self.counters.fault(FaultKind::AnswerCut),
            Fault::BodySlow => self.counters.fault(FaultKind::BodySlow),
            // Counted where they happen: a request that was executed before is not executed wrongly now.
            Fault::ErrorBefore | Fault::ErrorAfter | Fault::RolledForward => {}
        }
        Some(fault)
    }

    fn count_mishap(&self, mishap: Mishap) {
        match mishap {
            Mishap::None => {}
            Mishap::ErrorBefore => self.counters.fault(FaultKind::ErrorBefore),
            Mishap::ErrorAfter => self.counters.fault(FaultKind::ErrorAfter),
            Mishap::RolledForward { .. } => self.counters.fault(FaultKind::RolledForward),
        }
    }

    async fn pause(&self, subject: u64) {
        let pause_ms = self.pause_ms(subject);
        if pause_ms > 0 {
            tokio::time::sleep(Duration::from_millis(pause_ms.into())).await;
        }
    }

    fn pause_ms(&self, subject: u64) -> u32 {
        let Behaviour {
            profile,
            seed,
            latency_ms,
            ..
        } = &self.behaviour;
        latency_ms.saturating_add(profile.jitter_ms(*seed, subject))
    }

    fn refusal(&self, error: &ApiError) -> Reply {
        let answer = Answer::from(error.clone());
        Reply::new(answer.status(), self.world.render(&answer))
    }
}

async fn read<B: Body<Data = Bytes>>(body: B) -> Result<Bytes, NoAnswer>
where
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let whole = Limited::new(body, BODY_BYTES_MAX).collect().await;
    whole
        .map(http_body_util::Collected::to_bytes)
        .map_err(|_| NoAnswer)
}

/// Reads and checks what is to be done. What is refused here is not stored.
fn read_work(
    head: &Parts,
    Route { endpoint, id }: Route<'_>,
    body: &Bytes,
) -> Result<Work, ApiError> {
    let operation = match endpoint {
        Endpoint::CreateIntent => requests::create(body),
        Endpoint::ConfirmIntent => requests::confirm(id, body),
        Endpoint::CancelIntent => requests::cancel(id, body),
        Endpoint::CreateRefund => requests::refund(body),
        Endpoint::CreateMethod => requests::create_method(body),
        Endpoint::FetchIntent
        | Endpoint::ListIntents
        | Endpoint::SearchIntents
        | Endpoint::FetchRefund
        | Endpoint::ListRefunds
        | Endpoint::FetchCharge
        | Endpoint::FetchMethod
        | Endpoint::Unknown => Err(unrecognized(&head.method, head.uri.path())),
    }?;
    let key = head.headers.get(&IDEMPOTENCY_KEY).map(|key| key.to_str());
    let key = match key {
        None => None,
        Some(Ok(key)) if !key.is_empty() && key.len() <= KEY_CHARACTERS_MAX => Some(Box::from(key)),
        Some(_) => {
            let message = format!(
                "Idempotency keys are 1 to {KEY_CHARACTERS_MAX} printable ASCII characters long."
            );
            return Err(ApiError::invalid(message));
        }
    };
    let fingerprint = mix::hash(mix::hash(0, head.uri.path().as_bytes()), body);
    Ok(Work {
        operation,
        key,
        fingerprint,
    })
}

fn unauthorized(given: bool) -> ApiError {
    let message = if given {
        "Invalid API Key provided."
    } else {
        "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer \
         auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
    };
    ApiError::invalid(message).status(401)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
