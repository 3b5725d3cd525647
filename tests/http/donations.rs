//! `GET /v1/donations/{id}?wait_ms=`: every state, every refusal, and waiting.

use std::sync::Arc;
use std::time::Duration;

use almoner::http::{Server, WaitLimits, serve_api};
use almoner_actors::memory::MemoryStore;
use almoner_actors::ports::{Finish, FirstState, StoreError};
use almoner_domain::donation::{PendingKind, Progress, State};
use almoner_domain::keys;
use almoner_domain::outcome::Reason;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::store::{Books, held, id, path, pending, succeeded, unpaid};
use crate::{ANYWHERE, Answer, LIMITS, get, within};

/// A wait is woken, or it waits for ever.
const NEVER_REREAD: WaitLimits = WaitLimits {
    waits_max: 2,
    reread_every: Duration::from_secs(3600),
    store_timeout: Duration::from_secs(60),
};

const REREAD: WaitLimits = WaitLimits {
    waits_max: 1,
    reread_every: Duration::from_millis(5),
    ..NEVER_REREAD
};

fn serve(books: Books, limits: WaitLimits) -> (Arc<Books>, Server) {
    let books = Arc::new(books);
    let server = serve_api(
        &Handle::current(),
        ANYWHERE,
        LIMITS,
        limits,
        Arc::clone(&books) as _,
    )
    .unwrap();
    (books, server)
}

fn ask_in_the_background(server: &Server, path: String) -> JoinHandle<Answer> {
    let address = server.address();
    Handle::current().spawn(async move { get(address, &path).await })
}

/// A donation that was accepted so, and finished so if it was, is shown so, beside what every donation shows.
async fn check_view(first: FirstState, finish: Option<Finish>, expected: Value) {
    let books = Books::open().await;
    books.accept(1, first).await;
    if let Some(finish) = finish {
        books.finish(1, finish).await;
    }
    let (_books, server) = serve(books, NEVER_REREAD);
    let answer = get(server.address(), &path(1)).await;
    let mut all = json!({
        "id": "01010101-0101-0101-0101-010101010101",
        "user_id": "user-1",
        "campaign_id": "camp-1",
        "amount_minor": 2500,
        "currency": "EUR",
        "accepted_at_ms": 1001,
        "metadata": {"order": "77"},
    });
    all.as_object_mut()
        .unwrap()
        .extend(expected.as_object().unwrap().clone());
    let mut shown = answer.json();
    if let Some(detail) = shown.as_object_mut().unwrap().remove("detail") {
        assert!(detail.as_str().unwrap().ends_with('.'), "{detail}");
    } else {
        assert_eq!(shown["status"], "charging");
    }
    assert_eq!((answer.status, shown), (200, all));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(!answer.body.contains("secret"), "{}", answer.body);
}

#[tokio::test]
async fn a_donation_shows_its_state() {
    check_view(
        FirstState::Charging,
        None,
        json!({"status": "charging", "attempts": 0}),
    )
    .await;
    check_view(
        FirstState::Charging,
        Some(succeeded()),
        json!({
            "status": "succeeded", "attempts": 1, "finished_at_ms": 2000,
            "gateway_charge_id": "ch_1", "receipt_id": keys::receipt_id(id(1)).to_string(),
        }),
    )
    .await;
    check_view(
        FirstState::Charging,
        Some(unpaid(
            State::Failed,
            Reason::CardDeclined,
            Some("lost_card"),
        )),
        json!({
            "status": "failed", "attempts": 1, "finished_at_ms": 2000,
            "reason": "card_declined", "decline_code": "lost_card",
        }),
    )
    .await;
    check_view(
        FirstState::Charging,
        Some(unpaid(State::Cancelled, Reason::DuplicateDeclined, None)),
        json!({
            "status": "cancelled", "attempts": 0, "finished_at_ms": 2000,
            "reason": "duplicate_declined",
        }),
    )
    .await;
    let refused = unpaid(State::Failed, Reason::CampaignClosed, None);
    check_view(
        FirstState::Finished(Box::new(refused)),
        None,
        json!({
            "status": "failed", "attempts": 0, "finished_at_ms": 2000, "reason": "campaign_closed",
        }),
    )
    .await;
    check_view(
        held(),
        None,
        json!({
            "status": "held", "attempts": 0,
            "needs_confirmation": {
                "duplicate_of": "09090909-0909-0909-0909-090909090909",
                "expires_at_ms": 86_400_000,
            },
        }),
    )
    .await;
    let unknown = Progress {
        state: State::Unknown,
        attempts: 2,
        ..Progress::new()
    };
    check_view(
        pending(PendingKind::Unknown, unknown),
        None,
        json!({
            "status": "unknown", "attempts": 2,
            "pending": {"reason": "unknown", "retry_at_ms": 5000},
        }),
    )
    .await;
}

#[tokio::test]
async fn a_finished_donation_whose_outcome_is_not_acknowledged_is_finished() {
    let books = Books::open().await;
    books.accept(1, held()).await;
    books.finish(1, succeeded()).await;
    let (_books, server) = serve(books, NEVER_REREAD);
    let shown = get(server.address(), &path(1)).await.json();
    assert_eq!(shown["status"], "succeeded");
    assert_eq!(
        (&shown["pending"], &shown["needs_confirmation"]),
        (&Value::Null, &Value::Null)
    );
}

/// The request is refused with this status and code.
async fn check_refused(books: Books, limits: WaitLimits, path: &str, expected: (u16, &str)) {
    let (_books, server) = serve(books, limits);
    let answer = get(server.address(), path).await;
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        expected,
        "{path}"
    );
    let retry_after = (answer.status == 503).then_some("1");
    assert_eq!(answer.header("retry-after"), retry_after, "{answer:?}");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_said() {
    let known = path(1);
    for (path, expected) in [
        ("/v1/donations/7".to_owned(), (400, "malformed_id")),
        ("/v1/donations/%ff".to_owned(), (400, "malformed_id")),
        (format!("{known}0"), (400, "malformed_id")),
        (format!("{known}?wait_ms=30001"), (400, "invalid_wait_ms")),
        (format!("{known}?wait_ms=-1"), (400, "invalid_wait_ms")),
        (format!("{known}?wait_ms=1s"), (400, "invalid_wait_ms")),
        (format!("{known}?wait_ms="), (400, "invalid_wait_ms")),
        (
            format!("{known}?wait_ms=1&wait_ms=2"),
            (400, "invalid_wait_ms"),
        ),
        (known.clone(), (404, "not_found")),
        (format!("{known}?wait_ms=1"), (404, "not_found")),
        (format!("{known}?other=1"), (404, "not_found")),
        ("/v1/donations/".to_owned(), (404, "not_found")),
        ("/".to_owned(), (404, "not_found")),
    ] {
        check_refused(Books::open().await, NEVER_REREAD, &path, expected).await;
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_said() {
    let says = |error| Books::new(MemoryStore::new()).saying(error);
    let unavailable = (503, "store_unavailable");
    for error in [
        StoreError::Busy,
        StoreError::Stopped,
        StoreError::Poisoned("disk".into()),
    ] {
        check_refused(says(error), NEVER_REREAD, &path(1), unavailable).await;
    }
    let impossible = says(StoreError::Impossible("row".into()));
    check_refused(impossible, NEVER_REREAD, &path(1), (500, "store_error")).await;
    let never_answers = Books::new(MemoryStore::pumped());
    let soon = WaitLimits {
        store_timeout: Duration::from_millis(5),
        ..NEVER_REREAD
    };
    check_refused(never_answers, soon, &path(1), unavailable).await;
}

#[tokio::test]
async fn other_methods_are_refused() {
    let (_books, server) = serve(Books::open().await, NEVER_REREAD);
    let answer = crate::ask(server.address(), "DELETE", &path(1)).await;
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (405, "method_not_allowed")
    );
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn a_wait_ends_with_the_donation() {
    let books = Books::open().await;
    books.accept(1, FirstState::Charging).await;
    let (books, server) = serve(books, NEVER_REREAD);
    let waiting = ask_in_the_background(&server, format!("{}?wait_ms=30000", path(1)));
    books.loaded(1).await;
    books.finish(1, succeeded()).await;
    books.watchers.tell(id(1));
    assert_eq!(within(waiting).await.unwrap().json()["status"], "succeeded");
    assert_eq!(books.loads(), 2);
}

#[tokio::test]
async fn a_wait_goes_on_past_what_is_no_end() {
    let (books, server) = serve(Books::open().await, NEVER_REREAD);
    let waiting = ask_in_the_background(&server, format!("{}?wait_ms=30000", path(1)));
    books.loaded(1).await;
    books.accept(1, held()).await;
    books.watchers.tell(id(1));
    books.loaded(2).await;
    books
        .finish(1, unpaid(State::Cancelled, Reason::DuplicateExpired, None))
        .await;
    books.watchers.tell(id(1));
    assert_eq!(within(waiting).await.unwrap().json()["status"], "cancelled");
}

#[tokio::test]
async fn a_wait_sees_what_another_instance_finished() {
    let books = Books::open().await;
    books.accept(1, FirstState::Charging).await;
    let (books, server) = serve(books, REREAD);
    let waiting = ask_in_the_background(&server, format!("{}?wait_ms=30000", path(1)));
    books.loaded(2).await;
    books.finish(1, succeeded()).await;
    assert_eq!(within(waiting).await.unwrap().json()["status"], "succeeded");
}

#[tokio::test]
async fn a_wait_that_is_over_answers_what_is() {
    let books = Books::open().await;
    books.accept(1, FirstState::Charging).await;
    let (_books, server) = serve(books, NEVER_REREAD);
    let answer = get(server.address(), &format!("{}?wait_ms=5", path(1))).await;
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (200, &json!("charging"))
    );
}

#[tokio::test]
async fn as_many_wait_as_may() {
    let books = Books::open().await;
    books.accept(1, FirstState::Charging).await;
    books.accept(2, FirstState::Charging).await;
    books.finish(2, succeeded()).await;
    let (books, server) = serve(books, REREAD);
    let address = server.address();

    // A second read shows that it waits.
    let mut first = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {}?wait_ms=30000 HTTP/1.1\r\nhost: test\r\n\r\n",
        path(1)
    );
    first.write_all(request.as_bytes()).await.unwrap();
    books.loaded(2).await;

    let refused = get(address, &format!("{}?wait_ms=30000", path(1))).await;
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (503, "too_many_waits")
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    // Who need not wait is answered.
    assert_eq!(get(address, &path(1)).await.status, 200);
    assert_eq!(
        get(address, &format!("{}?wait_ms=30000", path(2)))
            .await
            .status,
        200
    );

    // A client that is gone waits no more.
    let another = format!("{}?wait_ms=20", path(1));
    drop(first);
    within(async { while get(address, &another).await.status != 200 {} }).await;
}

#[tokio::test]
async fn a_stop_ends_the_waits_with_what_is() {
    let books = Books::open().await;
    books.accept(1, FirstState::Charging).await;
    let (books, server) = serve(books, NEVER_REREAD);
    let address = server.address();
    let waiting = ask_in_the_background(&server, format!("{}?wait_ms=30000", path(1)));
    books.loaded(1).await;
    assert!(within(server.stop(Duration::from_secs(3600))).await);
    assert_eq!(within(waiting).await.unwrap().json()["status"], "charging");
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn a_stop_cuts_what_does_not_end() {
    let (books, server) = serve(Books::new(MemoryStore::pumped()), NEVER_REREAD);
    let mut stuck = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("GET {} HTTP/1.1\r\nhost: test\r\n\r\n", path(1));
    stuck.write_all(request.as_bytes()).await.unwrap();
    books.loaded(1).await;
    assert!(!within(server.stop(Duration::from_millis(5))).await);
    let ended = within(tokio::io::AsyncReadExt::read(&mut stuck, &mut [0; 16])).await;
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
}
