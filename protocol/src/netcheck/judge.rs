//! The judge: a pure function from what was seen to what is to be said.

use super::{CLOCK_TOLERANCE_S, Code, DESCRIPTOR_FRESH_S, DoorSeen, Kind, Outcome, SLOW_MS, Scene, Verdict};

/// Says what the observations mean.
#[must_use]
pub fn judge(scene: &Scene) -> Verdict {
    let clock_s = clock(scene);
    let travels = scene.doors.iter().any(|door| door.outcome == Outcome::Open);
    let mut said = if travels { conditions(scene, clock_s) } else { vec![cause(scene, clock_s)] };
    if !travels && clock_s.is_some() && !said.contains(&Code::Clock) {
        said.push(Code::Clock);
    }
    let code = said.remove(0);
    Verdict { code, also: said, travels, clock_s }
}

/// By how much the clock is wrong at least; `None` if it is not known to be wrong. A site tells its time when it does not let this device
/// in; a relay's descriptor is signed by its clock and at most a week old. One relay among several may lie, so the mildest word counts.
fn clock(scene: &Scene) -> Option<i64> {
    let now = i64::try_from(scene.now_s).ok()?;
    let of = |door: &DoorSeen| -> Option<i64> {
        if door.clock_s.is_some() {
            return door.clock_s;
        }
        let signed = i64::try_from(door.signed_s?).ok()?;
        let fresh = DESCRIPTOR_FRESH_S as i64;
        let age = now.saturating_sub(signed);
        Some(if age < 0 {
            age
        } else if age > 2 * fresh {
            age - fresh
        } else {
            0
        })
    };
    let mildest = scene.doors.iter().filter_map(of).min_by_key(|off| off.unsigned_abs())?;
    (mildest.unsigned_abs() > CLOCK_TOLERANCE_S).then_some(mildest)
}

/// What is to be said while a door is open: something always.
fn conditions(scene: &Scene, clock_s: Option<i64>) -> Vec<Code> {
    let doors = &scene.doors;
    let open = || doors.iter().filter(|door| door.outcome == Outcome::Open);
    let mut out = Vec::new();
    if clock_s.is_some() {
        out.push(Code::Clock);
    }
    if doors.iter().any(|door| door.freezes > 0) {
        out.push(Code::Freeze);
    }
    if open().any(|door| door.was_open) {
        out.push(Code::CountedOpen);
    }
    let cut = |door: &&DoorSeen| door.kind == Kind::Plain && first_words_cut(door.outcome);
    if doors.iter().any(|door| cut(&door)) && open().all(|door| door.kind != Kind::Plain) {
        out.push(Code::PlainCut);
    }
    let slow = |door: &DoorSeen| door.echo_ms.or(door.open_ms).is_some_and(|ms| ms > SLOW_MS);
    if open().all(slow) {
        out.push(Code::Slow);
    }
    if out.is_empty() {
        out.push(Code::Works);
    }
    out
}

const fn first_words_cut(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::HelloReset | Outcome::HelloSilent)
}

/// Why no door is open.
fn cause(scene: &Scene, clock_s: Option<i64>) -> Code {
    use Outcome::{
        Broke, CertificateDate, ConnectRefused, ConnectSilent, Foreign, HelloClosed, HelloReset, HelloSilent,
        NoRoute, NotLetIn, PastProxy, ProxyGone, ProxyRefused, Quiet, SlotEnded, Spare, Stalled, Version,
        Waiting, WrongRelay,
    };
    if scene.doors.is_empty() {
        return Code::NoDoor;
    }
    let tested: Vec<&DoorSeen> = scene.doors.iter().filter(|door| door.outcome != Spare).collect();
    let all = |kinds: &[Outcome]| tested.iter().all(|door| kinds.contains(&door.outcome));
    let any = |kinds: &[Outcome]| tested.iter().any(|door| kinds.contains(&door.outcome));
    if tested.is_empty() {
        return Code::Undecided;
    }
    if all(&[Outcome::Transport]) {
        return Code::Transport;
    }
    if scene.proxy {
        // Behind a proxy everything else about the network is the proxy's affair.
        if any(&[ProxyGone]) {
            return Code::ProxyDead;
        }
        if all(&[ProxyRefused, ConnectSilent, PastProxy]) {
            return Code::ProxyBlocked;
        }
    }
    if scene.route == Some(false) || all(&[NoRoute]) {
        return Code::NoInternet;
    }
    // A clock that is wrong explains doors that do not let in and certificates out of date, and nothing else.
    if clock_s.is_some() && any(&[NotLetIn, CertificateDate]) {
        return Code::Clock;
    }
    // Somebody else who answers explains the silence of other doors as well: sign-in pages let nothing else pass.
    if any(&[Foreign])
        && all(&[
            Foreign,
            CertificateDate,
            HelloSilent,
            HelloReset,
            HelloClosed,
            ConnectSilent,
            ConnectRefused,
        ])
    {
        return Code::Portal;
    }
    let silent = [ConnectSilent, HelloSilent, Quiet, Stalled, Waiting];
    if all(&silent) && tested.iter().all(|door| door.was_open) {
        return Code::Counted;
    }
    if all(&[HelloSilent, HelloReset, PastProxy])
        && any(&[HelloReset])
        && tested.iter().all(|door| door.kind == Kind::Plain)
    {
        return Code::PlainOnly;
    }
    if all(&[HelloSilent, Waiting]) && any(&[HelloSilent]) {
        // What a plain door says first may itself be what is not wanted here, and one network may be a blocked one.
        let mut web = tested.iter().filter(|door| door.kind != Kind::Plain && door.outcome == HelloSilent);
        let first = web.next().map(|door| door.network);
        let several = web.any(|door| Some(door.network) != first);
        return if several { Code::ApprovedOnly } else { Code::ApprovedOrSingled };
    }
    if all(&[CertificateDate]) {
        return Code::ClockOrCertificate;
    }
    if all(&[NotLetIn, SlotEnded, WrongRelay]) {
        return Code::DoorEnded;
    }
    if all(&[Version]) {
        return Code::Version;
    }
    if all(&[ConnectRefused]) {
        return Code::Refused;
    }
    if all(&[ConnectSilent, Waiting, NoRoute]) && any(&[ConnectSilent]) {
        return Code::Silent;
    }
    if all(&[Stalled, Broke, HelloReset, HelloClosed, Quiet]) {
        return Code::Breaks;
    }
    if all(&[Waiting]) {
        return Code::Undecided;
    }
    Code::Mixed
}
