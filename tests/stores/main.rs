//! The contract of a store, told as stories that every engine passes, and what each engine must do beyond it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cassandra;
mod cassandra_crash;
mod cassandra_cuts;
mod cassandra_faults;
mod contract;
mod crash;
mod faults;
mod model;
mod sqlite;
mod support;

use cassandra::cassandra as on_cassandra;
use support::{memory, sqlite as on_sqlite};

/// Every story on every engine. Those of the second list are not told of CQL: it keeps no sums that could overflow, but
/// makes them from the charges.
macro_rules! stories {
    ($($story:ident),+ $(,)?; $($but_cql:ident),+ $(,)?) => {
        mod in_memory {
            $(#[test] fn $story() { super::contract::$story(&super::memory()); })+
            $(#[test] fn $but_cql() { super::contract::$but_cql(&super::memory()); })+
        }
        mod in_sqlite {
            $(#[test] fn $story() { super::contract::$story(&super::on_sqlite()); })+
            $(#[test] fn $but_cql() { super::contract::$but_cql(&super::on_sqlite()); })+
        }
        mod in_cassandra {
            $(#[test] fn $story() {
                if let Some(engine) = super::on_cassandra() {
                    super::contract::$story(&engine);
                }
            })+
        }
    };
}

stories!(
    the_first_accept_of_an_id_wins,
    a_thousand_accepts_at_once_make_one_donation,
    one_id_twice_in_a_batch_is_known,
    all_fields_come_back_equal,
    a_refused_donation_is_accepted_as_finished,
    a_finish_needs_an_accepted_donation,
    the_first_finish_wins,
    only_a_charge_counts_in_the_campaigns_day,
    the_charges_day_is_the_gateways,
    a_change_needs_the_version_it_saw,
    a_finish_ends_all_changes,
    the_outbox_stays_until_the_outcome_is_acknowledged,
    a_surplus_is_worked_off_beside_the_finish,
    a_surplus_can_turn_up_after_the_end,
    events_are_kept_in_sequence,
    the_first_answer_to_a_hold_wins,
    an_old_owner_is_fenced,
    facts_are_not_fenced,
    a_mark_never_goes_back,
    unfinished_donations_come_in_pages_by_due_time,
    donations_accepted_during_paging_do_no_harm,
    the_window_has_what_counts_for_doubles,
    windows_that_are_read_together_are_each_shards_own,
    campaigns_change_by_version,
    a_dead_letter_is_kept_once_and_whole,
    a_campaign_closes_by_a_tombstone,
    a_dropped_caller_changes_nothing,
    an_answer_that_was_lost_is_found_again;
    a_sum_that_overflows_fails_alone,
);
