//! Small worlds of groups and channels on the real node: what each scenario promises holds.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![allow(clippy::unwrap_used)]

mod world;

use world::{figure, summary};

#[test]
fn a_group_on_lossy_lines_has_everything_soon_after_waking_and_nothing_twice() {
    let end = summary("run group --seed 3 --nodes 12 --quiet --set relays=3 --set messages=25 --set every=6");
    assert_eq!(figure(&end, "delivery_percent"), 100.0);
    assert_eq!(figure(&end, "shown_twice"), 0.0);
    assert!(figure(&end, "after_wake_ms_max") <= 60_000.0, "{end}");
    assert!(figure(&end, "all_delivered_after_wake_s") <= 60.0, "{end}");
}

#[test]
fn a_removed_member_gets_nothing_more_and_lost_relays_cost_nobody_a_message() {
    let end = summary(
        "run group --seed 4 --nodes 14 --quiet --set relays=4 --set messages=24 --set every=5 --set lost=2 --set removed=1",
    );
    assert_eq!(figure(&end, "delivery_percent"), 100.0);
    assert_eq!(figure(&end, "removed_who_have_all"), 0.0);
}

#[test]
fn whoever_follows_a_channel_by_its_link_gets_each_entry_within_two_seconds() {
    let end = summary("run channel --seed 2 --nodes 24 --quiet --set entries=8 --set every=5");
    assert_eq!(figure(&end, "delivery_percent"), 100.0);
    assert_eq!(figure(&end, "shown_twice"), 0.0);
    assert!(figure(&end, "delay_ms_p99") <= 2_000.0, "{end}");
}

#[test]
fn a_flood_on_the_shard_and_a_relay_that_withholds_keep_no_entry_from_anybody() {
    let end = summary(
        "run channel --seed 5 --nodes 15 --quiet --set entries=6 --set every=10 --set withholders=1 --set flood=100",
    );
    assert_eq!(figure(&end, "delivery_percent"), 100.0);
    assert!(figure(&end, "followers_who_found_a_withholder") >= 1.0, "{end}");
}
