//! The consistent list, page by page to its end.

#![allow(clippy::unwrap_used)]

use almoner_domain::answer::{Answer, IntentStatus};
use almoner_domain::donation::Call;

use crate::server::{Seen, Server};
use crate::support::{ask, call, gateway, http, intent, options};

/// A page: donation and status of each intent, named `pi_{prefix}{n}`.
fn page(prefix: &str, rows: &[(u128, &str)], has_more: bool) -> String {
    let rows: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(n, (donation, status))| {
            intent(*donation, status).replace("pi_1", &format!("pi_{prefix}{n}"))
        })
        .collect();
    let body = format!(
        r#"{{"object":"list","has_more":{has_more},"data":[{}]}}"#,
        rows.join(",")
    );
    http("200 OK", &body)
}

fn list(answer: impl Fn(&Seen) -> String + Send + Sync + 'static) -> (Answer, Vec<Seen>) {
    let server = Server::answering(answer);
    let answer = ask(&gateway(&options(&server.url())), call(1, Call::List));
    (answer, server.seen())
}

#[test]
fn the_list_is_read_to_its_end() {
    let (answer, seen) = list(|request| match &request.line {
        line if line.ends_with("starting_after=pi_a1") => page("b", &[(3, "canceled")], true),
        line if line.ends_with("starting_after=pi_b0") => page("c", &[(1, "canceled")], false),
        _ => page("a", &[(2, "succeeded"), (1, "succeeded")], true),
    });
    let Answer::Listed(own) = answer else {
        panic!("{answer:?}");
    };
    let shown: Vec<_> = own
        .iter()
        .map(|intent| (&*intent.id, intent.status))
        .collect();
    let expected = [
        ("pi_a1", IntentStatus::Succeeded),
        ("pi_c0", IntentStatus::Canceled),
    ];
    assert_eq!(shown, expected);
    let first =
        "GET /v1/payment_intents?limit=100&created%5Bgte%5D=1795000000&created%5Blte%5D=1795300000";
    assert_eq!(seen[0].line, first);
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter()
            .all(|request| request.header("idempotency-key").is_none())
    );
}

#[test]
fn an_empty_list_is_empty() {
    let (answer, _) = list(|_| page("a", &[], false));
    assert_eq!(answer, Answer::Listed(vec![]));
}

#[test]
fn a_page_that_fails_is_the_whole_lists_answer() {
    let (answer, _) = list(|request| {
        if request.line.contains("starting_after") {
            http("429 Too Many Requests", "{}")
        } else {
            page("a", &[(1, "canceled")], true)
        }
    });
    assert_eq!(
        answer,
        Answer::RateLimited {
            retry_after_ms: None
        }
    );
}

#[test]
fn a_list_that_goes_in_circles_ends() {
    let (answer, seen) = list(|_| page("a", &[(2, "succeeded")], true));
    assert!(matches!(answer, Answer::Lost(_)), "{answer:?}");
    assert_eq!(seen.len(), 2);
}
