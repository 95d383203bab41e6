//! Every verdict, by the observations that lead to it.

use super::*;
use Outcome::*;

const NOW_S: u64 = 1_795_000_000;

fn door(outcome: Outcome) -> DoorSeen {
    DoorSeen {
        kind: Kind::Web,
        network: 0,
        outcome,
        open_ms: None,
        echo_ms: None,
        freezes: 0,
        was_open: false,
        saving: false,
        clock_s: None,
        signed_s: None,
    }
}

/// Web doors in different networks.
fn scene(outcomes: &[Outcome]) -> Scene {
    let of = |(network, outcome): (u8, &Outcome)| DoorSeen { network, ..door(*outcome) };
    Scene { route: Some(true), proxy: false, now_s: NOW_S, doors: (0..).zip(outcomes).map(of).collect() }
}

fn with(outcomes: &[Outcome], change: impl Fn(&mut DoorSeen)) -> Scene {
    let mut scene = scene(outcomes);
    scene.doors.iter_mut().for_each(change);
    scene
}

fn plain(outcomes: &[Outcome]) -> Scene {
    with(outcomes, |door| door.kind = Kind::Plain)
}

fn proxied(outcomes: &[Outcome]) -> Scene {
    Scene { proxy: true, route: None, ..scene(outcomes) }
}

#[test]
fn every_verdict_follows_from_what_was_seen() {
    let was = |door: &mut DoorSeen| door.was_open = true;
    let table: Vec<(Scene, Code)> = vec![
        (scene(&[]), Code::NoDoor),
        (scene(&[Open]), Code::Works),
        (scene(&[Open, ConnectSilent, NotLetIn]), Code::Works),
        (scene(&[Open, Spare]), Code::Works),
        // No way out.
        (Scene { route: Some(false), ..scene(&[ConnectSilent]) }, Code::NoInternet),
        (scene(&[NoRoute, NoRoute]), Code::NoInternet),
        (Scene { route: Some(false), ..scene(&[]) }, Code::NoDoor),
        // What opens, and how.
        (with(&[Open, Open], |door| door.freezes = 1), Code::Freeze),
        (with(&[Open], was), Code::CountedOpen),
        (with(&[Open], |door| door.echo_ms = Some(SLOW_MS + 1)), Code::Slow),
        (with(&[Open], |door| door.echo_ms = Some(SLOW_MS)), Code::Works),
        (with(&[Open], |door| (door.open_ms, door.echo_ms) = (Some(SLOW_MS + 1), Some(50))), Code::Works),
        // First words.
        (scene(&[HelloSilent, HelloSilent]), Code::ApprovedOnly),
        (with(&[HelloSilent, HelloSilent], |door| door.network = 0), Code::ApprovedOrSingled),
        (scene(&[HelloSilent]), Code::ApprovedOrSingled),
        (scene(&[HelloSilent, Waiting]), Code::ApprovedOrSingled),
        (plain(&[HelloSilent, HelloSilent]), Code::ApprovedOrSingled),
        (plain(&[HelloReset, HelloReset]), Code::PlainOnly),
        (plain(&[HelloReset, HelloSilent]), Code::PlainOnly),
        (scene(&[HelloReset]), Code::Breaks),
        // Addresses and relays.
        (scene(&[ConnectSilent, ConnectSilent]), Code::Silent),
        (scene(&[ConnectSilent, Waiting]), Code::Silent),
        (scene(&[ConnectRefused, ConnectRefused]), Code::Refused),
        (scene(&[ConnectRefused, ConnectSilent]), Code::Mixed),
        (with(&[ConnectSilent, Quiet], was), Code::Counted),
        (with(&[Quiet], was), Code::Counted),
        (scene(&[Stalled, Broke]), Code::Breaks),
        (scene(&[Quiet]), Code::Breaks),
        // Who answers.
        (scene(&[Foreign, Foreign]), Code::Portal),
        (scene(&[Foreign, HelloSilent, ConnectSilent]), Code::Portal),
        (scene(&[Foreign, NotLetIn]), Code::Mixed),
        (scene(&[NotLetIn]), Code::DoorEnded),
        (scene(&[SlotEnded, WrongRelay]), Code::DoorEnded),
        (scene(&[Version]), Code::Version),
        // Proxies.
        (proxied(&[ProxyGone, ProxyGone]), Code::ProxyDead),
        (proxied(&[ProxyGone, PastProxy]), Code::ProxyDead),
        (proxied(&[ProxyRefused, ConnectSilent]), Code::ProxyBlocked),
        (proxied(&[PastProxy]), Code::ProxyBlocked),
        (proxied(&[Open]), Code::Works),
        (proxied(&[HelloSilent]), Code::ApprovedOrSingled),
        // Pluggable transports.
        (scene(&[Transport, Transport]), Code::Transport),
        (scene(&[Transport, ConnectSilent]), Code::Mixed),
        // Clocks.
        (scene(&[CertificateDate]), Code::ClockOrCertificate),
        (with(&[NotLetIn], |door| door.clock_s = Some(-172_800)), Code::Clock),
        (with(&[CertificateDate], |door| door.clock_s = Some(90_000)), Code::Clock),
        (with(&[NotLetIn], |door| door.clock_s = Some(30)), Code::DoorEnded),
        (with(&[Open], |door| door.signed_s = Some(NOW_S + 3_600)), Code::Clock),
        (with(&[Open], |door| door.signed_s = Some(NOW_S - 6 * 86_400)), Code::Works),
        (with(&[Open], |door| door.signed_s = Some(NOW_S - 40 * 86_400)), Code::Clock),
        // Nothing to go by.
        (scene(&[Waiting]), Code::Undecided),
        (scene(&[Spare]), Code::Undecided),
    ];
    let mut met: Vec<Code> = Vec::new();
    for (scene, expected) in &table {
        let verdict = judge(scene);
        assert_eq!(verdict.code, *expected, "{scene:?}");
        let open = scene.doors.iter().any(|door| door.outcome == Open);
        assert_eq!(verdict.travels, open, "{scene:?}");
        met.push(verdict.code);
    }
    let mixed = Scene {
        doors: vec![
            DoorSeen { kind: Kind::Plain, ..door(HelloReset) },
            DoorSeen { network: 1, ..door(Open) },
        ],
        ..scene(&[])
    };
    assert_eq!(judge(&mixed).code, Code::PlainCut);
    met.push(Code::PlainCut);
    for code in Code::ALL {
        assert!(met.contains(&code), "{code:?} has no row in the table");
    }
}

#[test]
fn several_things_at_once_are_all_said_the_most_important_first() {
    let verdict = judge(&with(&[Open], |door| {
        (door.freezes, door.echo_ms, door.clock_s) = (2, Some(9_000), Some(7_200));
    }));
    assert_eq!((verdict.code, verdict.also), (Code::Clock, vec![Code::Freeze, Code::Slow]));
    assert_eq!((verdict.clock_s, verdict.travels), (Some(7_200), true));
    let verdict = judge(&with(&[ConnectSilent], |door| door.signed_s = Some(NOW_S + 90_000)));
    assert_eq!((verdict.code, verdict.also), (Code::Silent, vec![Code::Clock]), "a clock silences nobody");
}

#[test]
fn one_relay_that_lies_about_the_time_is_not_believed_against_another() {
    let mut scene = scene(&[Open, Open]);
    scene.doors[0].signed_s = Some(NOW_S + 900_000);
    assert_eq!(judge(&scene).code, Code::Clock, "the only one that says anything");
    scene.doors[1].signed_s = Some(NOW_S - 86_400);
    assert_eq!(judge(&scene).code, Code::Works);
}

#[test]
fn words_are_told_apart_and_codes_stay() {
    let mut words: Vec<_> = Code::ALL.iter().map(|code| code.word()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Code::ALL.len());
    let numbers = [
        (Code::NoInternet, "N01"),
        (Code::PlainCut, "N02"),
        (Code::Freeze, "N03"),
        (Code::ApprovedOrSingled, "N04"),
        (Code::Clock, "N05"),
    ];
    assert!(numbers.iter().all(|(code, number)| code.number() == *number));
}

#[test]
fn whatever_two_doors_do_a_verdict_fits_what_travels() {
    const ALL: [Outcome; 22] = [
        Open,
        Quiet,
        Spare,
        Waiting,
        NoRoute,
        ConnectSilent,
        ConnectRefused,
        HelloSilent,
        HelloReset,
        HelloClosed,
        Foreign,
        CertificateDate,
        NotLetIn,
        WrongRelay,
        SlotEnded,
        Version,
        Stalled,
        Broke,
        ProxyGone,
        ProxyRefused,
        PastProxy,
        Transport,
    ];
    let works = [Code::Works, Code::PlainCut, Code::Freeze, Code::CountedOpen, Code::Slow];
    for (one, other) in ALL.iter().flat_map(|one| ALL.iter().map(move |other| (*one, *other))) {
        for (kind, proxy, was_open) in [
            (Kind::Web, false, false),
            (Kind::Plain, false, true),
            (Kind::Site, true, false),
            (Kind::Web, true, true),
        ] {
            let mut scene = with(&[one, other], |door| (door.kind, door.was_open) = (kind, was_open));
            (scene.proxy, scene.now_s) = (proxy, u64::MAX);
            scene.doors[0].signed_s = Some(u64::MAX);
            scene.doors[1].clock_s = Some(i64::MIN);
            let verdict = judge(&scene);
            let travels = one == Open || other == Open;
            assert_eq!((verdict.travels, works.contains(&verdict.code)), (travels, travels), "{scene:?}");
        }
    }
}
