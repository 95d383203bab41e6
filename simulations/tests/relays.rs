//! Small worlds of relays: what keeps the mesh together, and what relays that hide others can do.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![allow(clippy::unwrap_used)]

mod world;

use world::{figure, summary};

#[test]
fn a_mesh_that_was_cut_in_two_is_whole_soon_and_nobody_dials_without_end() {
    let end = summary("run mesh --seed 2 --nodes 20 --quiet --set calm=2 --set cut=4 --set after=4");
    assert_eq!(figure(&end, "relays_that_do_not_know_all"), 0.0);
    assert!(figure(&end, "whole_after_s") <= 120.0, "{end}");
    for part in ["before", "cut", "alone", "after"] {
        assert!(figure(&end, &format!("connections_max_{part}")) <= 16.0, "{end}");
        assert!(figure(&end, &format!("dials_per_min_max_{part}")) <= 24.0, "{end}");
    }
}

#[test]
fn people_who_lost_all_relays_find_each_other_beside_relays_that_hide_others() {
    let line =
        "run eclipse --seed 1 --nodes 14 --quiet --set relays=8 --set old=2 --set hours=2 --set hostile=";
    let end = summary(&format!("{line}0"));
    assert_eq!(figure(&end, "beacon_found_percent"), 100.0);
    assert_eq!(figure(&end, "bundle_found_percent"), 100.0);
    let end = summary(&format!("{line}0.25"));
    assert_eq!(figure(&end, "beacon_found_with_an_honest_door_percent"), 100.0);
    assert_eq!(figure(&end, "bundle_found_with_an_honest_door_percent"), 100.0);
}
