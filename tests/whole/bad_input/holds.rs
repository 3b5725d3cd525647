//! Answers to the question "really twice?": twice, late, by another user, and to what nobody asked.

use super::{Fate, Stage, Table, dead, fates_at, neighbour, user_in};
use crate::support::{Fields, PARTITIONS, hold_answer, id};

/// Donations that wait for an answer.
pub struct Held {
    user: String,
    charged: u32,
    to_confirm: u32,
    to_cancel: u32,
}

fn question() -> Fate {
    Fate::Told(
        "donation.needs_confirmation",
        "",
        "The same user gave the same amount to the same campaign a moment ago. Nothing is charged for this donation \
         unless the user confirms it."
            .to_owned(),
    )
}

fn refused(reason: &'static str, sentence: &str) -> Fate {
    Fate::Rejected(reason, None, sentence.to_owned())
}

fn not_held() -> Fate {
    refused(
        "not_held",
        "the donation does not wait for an answer; nothing is to be done",
    )
}

fn already_answered() -> Fate {
    refused(
        "already_answered",
        "the question was answered before; the first answer counts",
    )
}

fn too_late_fate() -> Fate {
    refused(
        "too_late",
        "the question had lapsed; to give, send a new donation with a new id",
    )
}

/// The same amount of the same user for the same campaign, under the table's next number.
fn same_gift(table: &Table, user: &str) -> Fields {
    Fields::donate(table.number(), user).uint("amount_minor", 4_200)
}

pub fn first_rows(table: &mut Table) -> Held {
    let user = table.user();
    let charged = table.number();
    table.post("a gift", same_gift(table, &user).post(), Fate::Succeeded);
    let to_confirm = table.number();
    table.post(
        "the same gift under another id",
        same_gift(table, &user).post(),
        question(),
    );
    let to_cancel = table.number();
    table.post("and again", same_gift(table, &user).post(), question());
    Held {
        user,
        charged,
        to_confirm,
        to_cancel,
    }
}

pub fn rows(table: &mut Table, held: &Held) {
    let Held {
        user,
        charged,
        to_confirm,
        to_cancel,
    } = held;
    for partition in 0..PARTITIONS {
        let stranger = user_in(partition, "stranger");
        let fate = refused(
            "wrong_user",
            "the donation is another user's; only who gives can answer",
        );
        table.post(
            "a stranger confirms",
            hold_answer("confirm", *to_confirm, &stranger),
            fate.clone(),
        );
        table.post(
            "a stranger cancels",
            hold_answer("cancel", *to_cancel, &stranger),
            fate,
        );
    }
    let again = Fields::donate(*to_confirm, user).uint("amount_minor", 4_200);
    table.post("the held gift is asked for again", again.post(), question());
    table.post(
        "the held gift is asked for again, changed",
        again.uint("amount_minor", 4_300).post(),
        Fate::Rejected(
            "id_reused",
            Some("amount_minor"),
            "this id was used for another donation: amount_minor differs; a retry repeats the request unchanged, a \
             new donation needs a new id"
                .to_owned(),
        ),
    );
    table.post(
        "yes",
        hold_answer("confirm", *to_confirm, user),
        Fate::Succeeded,
    );
    table.post(
        "yes, twice",
        hold_answer("confirm", *to_confirm, user),
        already_answered(),
    );
    table.post(
        "no, after yes",
        hold_answer("cancel", *to_confirm, user),
        already_answered(),
    );
    let declined = Fate::Told(
        "donation.cancelled",
        "duplicate_declined",
        "It looked like a donation made a moment before, and the user did not want a second one. Nothing was charged \
         for it."
            .to_owned(),
    );
    table.post("no", hold_answer("cancel", *to_cancel, user), declined);
    table.post(
        "no, twice",
        hold_answer("cancel", *to_cancel, user),
        already_answered(),
    );
    table.post(
        "yes, after no",
        hold_answer("confirm", *to_cancel, user),
        already_answered(),
    );
    unasked(table, user, *charged);
}

/// Answers to what was never asked.
fn unasked(table: &mut Table, user: &str, charged: u32) {
    let unknown = refused(
        "not_found",
        "no donation has this id; send the id of the donation that needs confirmation",
    );
    for request_type in ["confirm", "cancel"] {
        table.post(
            "what was charged",
            hold_answer(request_type, charged, user),
            not_held(),
        );
        table.post(
            "what nobody knows",
            hold_answer(request_type, 7_777_777, user),
            unknown.clone(),
        );
        let nameless = Fields::default()
            .text("type", request_type)
            .text("user_id", user);
        table.post(
            "an answer to nothing",
            nameless.post(),
            dead(
                "almoner.no_identity",
                "id is missing; send a UUID as text or 16 bytes",
            ),
        );
    }
}

/// A question lapses unanswered; what is answered then comes too late.
pub fn too_late() {
    let stage = Stage::new(&[("ALMONER__DONATIONS__CONFIRM_WITHIN_S", "10")]);
    let user = user_in(0, "late");
    let gift = |n| Fields::donate(n, &user).uint("amount_minor", 4_200).post();
    let places = stage.publisher.publish(&[gift(1), gift(2)]);
    stage.follower.wait_answered(&places);
    // Stream time goes on with the records of others.
    let mut others = 500_000;
    stage.follower.wait("the question to lapse", |seen| {
        others += 1;
        stage.publisher.publish(&[neighbour(0, others)]);
        seen.end_of(id(2))
            .map(|end| assert_eq!(end, "donation.cancelled"))
    });
    let late = ["confirm", "cancel"].map(|it| hold_answer(it, 2, &user));
    let late = stage.publisher.publish(&late);
    stage.follower.wait_answered(&late);
    let seen = stage.follower.seen();
    let told: Vec<_> = seen
        .of(id(2))
        .map(|view| (view.event_type, view.reason))
        .collect();
    assert_eq!(
        told,
        [
            ("donation.needs_confirmation", None),
            ("donation.cancelled", Some("duplicate_expired")),
        ]
    );
    for place in late {
        assert_eq!(fates_at(place, &seen), [too_late_fate()]);
    }
}
