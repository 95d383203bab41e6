//! A member of a group who was away for 29 days, in which the group's keys changed: all that was said comes, in order and once.
#![allow(clippy::unwrap_used)]

mod world;

use karvon_protocol::engine::group_api::{GroupCommand, GroupNumber};
use world::Host;
use world::friends::{Friends, NAMES};

/// Who is away.
const AWAY: usize = 1;
/// Days that this member is away: relays keep what they hold for 30.
const DAYS: u64 = 29;
const DAY_US: u64 = 86_400_000_000;
/// What a day with others online begins with.
const AWAKE_MS: u64 = 1_800_000;

/// Says `text` and lets it arrive everywhere.
fn say(friends: &mut Friends, who: usize, group: GroupNumber, text: &str, said: &mut Vec<String>) {
    friends.send(who, group, text);
    friends.world.run_ms(20_000);
    said.push(text.to_owned());
}

/// A person shows all that was said, each once, each author's in order; and in a larger group, whose cells come by one way, all in order.
/// Over sessions what one author said may come before what another one said earlier.
fn came(friends: &mut Friends, who: usize, numbers: &[GroupNumber], said: &[String], sessions: bool) {
    let read = friends.read(who, numbers[who]);
    if !sessions {
        return assert_eq!(read, said, "{who}");
    }
    let sorted = |texts: &[String]| {
        let mut texts = texts.to_vec();
        texts.sort_unstable();
        texts
    };
    assert_eq!(sorted(&read), sorted(said), "{who}");
    for author in 0..numbers.len() {
        let of = |texts: &[String]| {
            let end = format!("from {author}");
            texts.iter().filter(|text| text.ends_with(&end)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(of(&read), of(said), "{who}");
    }
}

fn all_texts_of_29_days_come(seed: u64, count: usize, all: bool) {
    let mut friends = Friends::new(seed, count, all);
    let (leaver, newcomer) = (count - 2, count - 1);
    let mut numbers = vec![friends.create(0, "Family")];
    for who in 1..newcomer {
        let number = friends.bring(0, numbers[0], who);
        numbers.push(number);
    }
    let mut said = Vec::new();
    say(&mut friends, AWAY, numbers[AWAY], "I will be away", &mut said);
    say(&mut friends, 0, numbers[0], "safe journey", &mut said);
    friends.world.crash(Host::Person(AWAY));
    let left_at = friends.world.now;
    let mut heard_by_the_leaver = 0;
    let others: Vec<usize> = (0..count).filter(|who| *who != AWAY).collect();
    for day in 1..=DAYS {
        // Everybody's devices are off at night; the relays are not.
        others.iter().for_each(|who| friends.world.crash(Host::Person(*who)));
        let morning = left_at + day * DAY_US - 2 * AWAKE_MS * 1_000;
        let night = morning.saturating_sub(friends.world.now) / 1_000;
        friends.world.run_ms(night);
        others.iter().for_each(|who| friends.world.start(Host::Person(*who)));
        friends.world.run_ms(30_000);
        if day == 9 {
            let number = friends.bring(0, numbers[0], newcomer);
            numbers.push(number);
        }
        if day == 18 {
            heard_by_the_leaver = said.len();
            let gone = friends.member(0, numbers[0], NAMES[leaver]);
            friends.ask(0, GroupCommand::Remove(numbers[0], gone)).unwrap();
            friends.world.run_ms(5_000);
        }
        let writers: &[usize] = if day > 9 { &[0, newcomer] } else { &[0, leaver] };
        for writer in writers {
            say(&mut friends, *writer, numbers[*writer], &format!("day {day} from {writer}"), &mut said);
        }
        friends.world.run_ms(AWAKE_MS / 3);
    }
    assert!(friends.world.now - left_at <= DAYS * DAY_US);
    friends.world.run_ms((left_at + DAYS * DAY_US - friends.world.now) / 1_000);
    // Whoever comes back finds nobody online: what was said is with the relays.
    others.iter().for_each(|who| friends.world.crash(Host::Person(*who)));
    assert_eq!((friends.world.now - left_at) / DAY_US, DAYS);
    friends.world.start(Host::Person(AWAY));
    friends.world.run_ms(120_000);
    came(&mut friends, AWAY, &numbers, &said, all);
    assert_eq!(friends.view(AWAY, numbers[AWAY]).info.members, count as u32 - 1);
    assert_eq!(friends.world.faults(AWAY), 0);
    // And talk goes on with the keys of today.
    others.iter().for_each(|who| friends.world.start(Host::Person(*who)));
    friends.world.run_ms(30_000);
    say(&mut friends, AWAY, numbers[AWAY], "I am back", &mut said);
    say(&mut friends, newcomer, numbers[newcomer], "welcome", &mut said);
    friends.world.run_ms(60_000);
    for who in [0, AWAY] {
        came(&mut friends, who, &numbers, &said, all);
    }
    assert_eq!(friends.read(leaver, numbers[leaver]), said[..heard_by_the_leaver], "who was removed");
    let newest: Vec<_> = friends.read(newcomer, numbers[newcomer]);
    assert!(said.ends_with(&newest) && newest.len() > 2 * 19, "{newest:?}");
}

#[test]
fn a_member_of_a_small_group_who_was_away_29_days_misses_nothing() {
    all_texts_of_29_days_come(91, 5, true);
}

#[test]
fn a_member_of_a_larger_group_who_was_away_29_days_misses_nothing() {
    all_texts_of_29_days_come(92, 10, false);
}
