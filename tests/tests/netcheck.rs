//! What `karvon netcheck` and `karvon doctor` say to people and scripts, with real programs.
#![cfg(unix)]

use karvon_tests::until::{until, until_within};
use karvon_tests::world::World;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

#[test]
fn a_check_says_whether_messages_can_travel_and_whose_fault_it_is() {
    let mut world = World::of_web_doors(1);
    let ali = world.person("Ali", &[0]);
    // Without a node in the background one is started for the moment.
    let outcome = ali.cli(&["netcheck", "--json"], "").ok();
    let check = outcome.json().into_iter().next().expect("a check is one object");
    assert_eq!((check["code"].as_str(), check["travels"].as_bool()), (Some("N00"), Some(true)), "{check}");
    assert!(check["sentence"].as_str().is_some_and(|sentence| sentence.contains("messages can travel")));
    assert!(check["ms"].as_u64() <= Some(10_000) && check["bytes"].as_u64() <= Some(20_000), "{check}");
    assert_eq!(check["doors"][0]["outcome"], "open");
    let listed = ali.cli(&["door", "list", "--json"], "").ok().json();
    assert_eq!(listed[0]["relay"], check["doors"][0]["door"], "a door is called as in the list of doors");

    let id = listed[0]["relay"].as_str().expect("a door has a relay").to_owned();
    let tested = ali.cli(&["door", "test", &id[..8], "--json"], "").ok().json().remove(0);
    assert_eq!((tested["door"].as_str(), tested["outcome"].as_str()), (Some(id.as_str()), Some("open")));
    assert_eq!(ali.cli(&["door", "test", "zz"], "").code, Some(5));

    ali.up();
    ali.online();
    let other_language = ali.cli(&["--lang", "tg", "netcheck"], "").ok();
    assert!(other_language.stdout.contains("Дар кушода аст"), "{}", other_language.stdout);

    let relay = world.relays.first_mut().expect("there is one relay");
    assert!(relay.stop().is_some_and(|status| status.success()));
    let outcome = ali.cli(&["netcheck", "--json"], "");
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    let check = outcome.json().into_iter().next().expect("what was found is told all the same");
    assert_eq!(check["travels"], false);
    assert!(outcome.stderr.contains("no_path"), "{}", outcome.stderr);
    let outcome = ali.cli(&["door", "test", &id], "");
    assert_eq!(outcome.code, Some(4), "{outcome:?}");
    assert!(outcome.stderr.contains("this door does not open"), "{}", outcome.stderr);
}

#[test]
fn a_fourth_door_is_tested_when_it_is_named_and_left_afterwards() {
    let world = World::of_web_doors(4);
    let ali = world.person("Ali", &[0, 1, 2, 3]);
    ali.up();
    ali.online();
    let doors = || ali.cli(&["door", "list", "--json"], "").ok().json();
    until("three doors are linked", || {
        doors().iter().filter(|door| door["connected"] == true).count().eq(&3).then_some(())
    });
    let spare = doors().into_iter().find(|door| door["connected"] == false).expect("one is not in use");
    let relay = spare["relay"].as_str().expect("a door has a relay");
    let tested = ali.cli(&["door", "test", relay, "--json"], "").ok().json().remove(0);
    assert_eq!(tested["outcome"], "open", "{tested}");
    until_within(Duration::from_secs(60), "it is left again", || {
        doors().iter().filter(|door| door["connected"] == true).count().eq(&3).then_some(())
    });
}

#[test]
fn a_report_is_shown_private_and_names_nobody() {
    let world = World::of_web_doors(1);
    let ali = world.person("Ali-with-a-name", &[0]);
    let path = ali.data_dir().join("report.txt");
    let path = path.to_str().expect("the path of a test is a text");
    let shown = ali.cli(&["doctor", "--report", path], "").ok().stdout;
    let saved = std::fs::read_to_string(path).expect("the report is there");
    assert!(shown.starts_with(&saved) && saved.contains("verdict: N00 works"), "{shown}");
    let mode = std::fs::metadata(path).expect("the report is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let door = ali.cli(&["door", "list", "--json"], "").ok().json().remove(0);
    let relay = door["relay"].as_str().expect("a door has a relay");
    let secret = world.relays.first().expect("there is one relay").door();
    for identifying in ["127.0.0.1", "Ali-with-a-name", relay, &relay[..8], &secret[12..24]] {
        assert!(!saved.contains(identifying), "{identifying} in\n{saved}");
    }
    let again = ali.cli(&["doctor", "--report", path, "--json"], "");
    assert_ne!(again.code, Some(0), "never written over");
    assert!(again.stderr.contains("exists"), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(path).expect("still there"), saved);
}
