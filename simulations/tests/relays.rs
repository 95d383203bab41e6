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
fn a_relay_that_comes_by_one_door_finds_its_place_in_the_mesh() {
    let line = "run mesh --seed 3 --nodes 20 --quiet --set calm=1 --set cut=0 --set after=1 --set joins=1";
    let end = summary(line);
    assert!(figure(&end, "join_enough_s_max") <= 60.0, "{end}");
    assert!(figure(&end, "join_connections_max") <= 16.0, "{end}");
    assert!(figure(&end, "join_dials_per_min_max") <= 24.0, "{end}");
    assert_eq!(figure(&end, "relays_that_do_not_know_all"), 0.0);
}

#[test]
fn whoever_crawls_the_directory_of_the_relays_finds_all_of_them_and_no_address_of_a_person() {
    let end = summary("run crawl --seed 1 --nodes 14 --quiet --set relays=6 --set walks=64");
    assert_eq!(figure(&end, "places_that_name_a_person"), 0.0);
    assert_eq!(figure(&end, "relays_not_found"), 0.0);
    assert!(figure(&end, "carriers_found_of_each_shard_min") >= 1.0, "{end}");
    assert!(figure(&end, "crawl_records") >= 6.0, "{end}");
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
