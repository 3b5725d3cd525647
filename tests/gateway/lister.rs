//! Many who ask for the list at once are answered by few readings of it, and each by what is its own.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use almoner::gateway::StripeGateway;
use almoner_actors::ports::{Done, Gateway};
use almoner_domain::answer::Answer;
use almoner_domain::donation::Call;

use crate::server::{Seen, Server};
use crate::support::{call, gateway, http, intent, options, start, wait};

/// How many intents a page shows.
const PAGE: usize = 100;

/// A gateway with intents, the newest last, which shows pages of them and can be held up or made to fail.
struct Book {
    intents: Mutex<Vec<String>>,
    /// If set, the next first page says here that it was asked for, and is answered once the other end is dropped.
    held: Mutex<Option<(Sender<()>, Receiver<()>)>>,
    fails: Mutex<Fails>,
    failed: AtomicUsize,
}

/// What becomes of the pages after the first.
type Fails = Box<dyn Fn(usize) -> Option<&'static str> + Send>;

/// The first page, asked for and not yet answered.
struct Held {
    begun: Receiver<()>,
    _goes_on: Sender<()>,
}

impl Book {
    /// One with an intent for each donation.
    fn of(donations: impl Iterator<Item = u128>) -> (Arc<Self>, Server) {
        let book = Arc::new(Self {
            intents: Mutex::default(),
            held: Mutex::default(),
            fails: Mutex::new(Box::new(|_| None)),
            failed: AtomicUsize::new(0),
        });
        donations.for_each(|n| book.add(n));
        let shown = Arc::clone(&book);
        let server = Server::answering(move |request| shown.answer(request));
        (book, server)
    }

    /// The nth donation has one more intent.
    fn add(&self, n: u128) {
        let mut intents = locked(&self.intents);
        let id = format!("pi_{}", intents.len());
        intents.push(intent(n, "succeeded").replace("pi_1", &id));
    }

    /// Holds up the next first page.
    fn hold(&self) -> Held {
        let (begins, begun) = channel();
        let (goes_on, go) = channel();
        *locked(&self.held) = Some((begins, go));
        Held {
            begun,
            _goes_on: goes_on,
        }
    }

    /// From now on `fails` says of each page after the first, the nth of them, with which status it fails.
    fn fail(&self, fails: impl Fn(usize) -> Option<&'static str> + Send + 'static) {
        self.failed.store(0, Ordering::SeqCst);
        *locked(&self.fails) = Box::new(fails);
    }

    fn answer(&self, request: &Seen) -> String {
        let after = request.line.split_once("&starting_after=pi_");
        let page = self.page(after.map(|(_, n)| n.parse().unwrap()));
        if after.is_none() {
            let held = locked(&self.held).take();
            if let Some((begins, go)) = held {
                begins.send(()).unwrap();
                let _released = go.recv();
            }
        } else {
            let n = self.failed.fetch_add(1, Ordering::SeqCst);
            if let Some(status) = locked(&self.fails)(n) {
                return http(status, "{}");
            }
        }
        page
    }

    /// The newest first, of those before `after`.
    fn page(&self, after: Option<usize>) -> String {
        let intents = locked(&self.intents);
        let before = &intents[..after.unwrap_or(intents.len())];
        let rows: Vec<_> = (before.iter().rev().take(PAGE).cloned()).collect();
        let has_more = before.len() > PAGE;
        let data = rows.join(",");
        let body = format!(r#"{{"object":"list","has_more":{has_more},"data":[{data}]}}"#);
        http("200 OK", &body)
    }
}

impl Held {
    /// Waits until a reading has begun, and been shown its first page as it was then.
    fn begun(&self) {
        self.begun.recv().unwrap();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn list(gateway: &StripeGateway, n: u128) -> Receiver<Answer> {
    start(gateway, call(n, Call::List))
}

/// The ids of the intents that the answer lists.
#[track_caller]
fn ids(answer: &Answer) -> Vec<String> {
    let Answer::Listed(own) = answer else {
        panic!("{answer:?}");
    };
    own.iter().map(|intent| intent.id.to_string()).collect()
}

#[test]
fn two_hundred_calls_are_answered_by_two_readings_each_with_its_own() {
    let (book, server) = Book::of((0..1_000).map(|n| n / 2));
    let gateway = gateway(&options(&server.url()));
    let held = book.hold();
    let calls: Vec<_> = (400..600).map(|n| (n, list(&gateway, n))).collect();
    held.begun();
    drop(held);
    for (n, answers) in &calls {
        let expected = match *n {
            n @ 0..500 => vec![format!("pi_{}", 2 * n + 1), format!("pi_{}", 2 * n)],
            _ => vec![],
        };
        assert_eq!(ids(&wait(answers)), expected);
    }
    let pages = server.seen().len();
    assert!(matches!(pages, 10 | 20), "{pages} pages");
}

#[test]
fn a_call_that_comes_during_a_reading_is_answered_by_the_next() {
    let (book, server) = Book::of(1..=3);
    let gateway = gateway(&options(&server.url()));
    let held = book.hold();
    let first = list(&gateway, 3);
    held.begun();
    book.add(4);
    let second = list(&gateway, 4);
    drop(held);
    assert_eq!(ids(&wait(&first)), ["pi_2"]);
    assert_eq!(ids(&wait(&second)), ["pi_3"]);
    assert_eq!(server.seen().len(), 2);
}

/// Ten who are in one reading together.
fn ten_at_once(book: &Book, gateway: &StripeGateway) -> Vec<Answer> {
    let held = book.hold();
    let first = list(gateway, 0);
    held.begun();
    let ten: Vec<_> = (1..=10).map(|n| list(gateway, n)).collect();
    drop(held);
    wait(&first);
    ten.iter().map(wait).collect()
}

#[test]
fn a_page_that_keeps_failing_fails_all_and_the_next_reading_works() {
    let (book, server) = Book::of(0..150);
    let gateway = gateway(&options(&server.url()));
    book.fail(|n| (n > 0).then_some("503 Service Unavailable"));
    let failed = Answer::ServerError {
        status: 503,
        replayed: false,
    };
    assert_eq!(ten_at_once(&book, &gateway), vec![failed; 10]);
    book.fail(|_| None);
    for (n, answer) in (1..=10).zip(ten_at_once(&book, &gateway)) {
        assert_eq!(ids(&answer), [format!("pi_{n}")]);
    }
}

#[test]
fn a_page_that_fails_in_passing_is_asked_for_again() {
    let (book, server) = Book::of(0..1_000);
    let gateway = gateway(&options(&server.url()));
    book.fail(|n| match n % 4 {
        0 => Some("500 Internal Server Error"),
        1 => Some("429 Too Many Requests"),
        _ => None,
    });
    assert_eq!(ids(&wait(&list(&gateway, 7))), ["pi_7"]);
    assert!(server.seen().len() > 10);
}

#[test]
fn a_gateway_that_wants_to_be_left_alone_is() {
    let limited = "429 Too Many Requests\r\nretry-after: 60";
    let (book, server) = Book::of(0..150);
    let gateway = gateway(&options(&server.url()));
    book.fail(move |_| Some(limited));
    let answer = wait(&list(&gateway, 1));
    let retry_after_ms = Some(60_000);
    assert_eq!(answer, Answer::RateLimited { retry_after_ms });
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn an_intent_of_another_amount_spoils_its_own_donations_answer_alone() {
    let (book, server) = Book::of(0..=2);
    locked(&book.intents)[1] = intent(1, "succeeded").replace("1250", "1251");
    let gateway = gateway(&options(&server.url()));
    let held = book.hold();
    let calls: Vec<_> = (0..=2).map(|n| list(&gateway, n)).collect();
    held.begun();
    drop(held);
    let answers: Vec<_> = calls.iter().map(wait).collect();
    assert_eq!(ids(&answers[0]), ["pi_0"]);
    assert!(matches!(answers[1], Answer::Lost(_)), "{:?}", answers[1]);
    assert_eq!(ids(&answers[2]), ["pi_2"]);
}

#[test]
fn what_this_release_cannot_read_for_is_refused_alone() {
    let (_, server) = Book::of(0..=2);
    let gateway = gateway(&options(&server.url()));
    let mut strange = call(1, Call::List);
    Arc::get_mut(&mut strange.donation).unwrap().body_version = 99;
    let strange = wait(&start(&gateway, strange));
    assert!(
        matches!(strange, Answer::OurDefect { status: 0, .. }),
        "{strange:?}"
    );
    assert_eq!(ids(&wait(&list(&gateway, 2))), ["pi_2"]);
}

#[test]
fn a_dropped_gateway_answers_all_who_wait_as_lost() {
    let (book, server) = Book::of(0..=2);
    let gateway = gateway(&options(&server.url()));
    let held = book.hold();
    let read_for = list(&gateway, 1);
    held.begun();
    let waits = list(&gateway, 2);
    drop(gateway);
    for answers in [read_for, waits] {
        let answer = wait(&answers);
        assert!(matches!(answer, Answer::Lost(_)), "{answer:?}");
    }
}

#[test]
fn a_completion_that_panics_does_not_end_the_lister() {
    let (_, server) = Book::of(0..=2);
    let gateway = gateway(&options(&server.url()));
    gateway.call(call(1, Call::List), Done::new(|_| panic!("of the test's")));
    while server.seen().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(ids(&wait(&list(&gateway, 2))), ["pi_2"]);
}
