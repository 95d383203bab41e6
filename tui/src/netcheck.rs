//! What a check of the doors found, in the words of a language; for the command line and the Doctor alike.

use crate::lang::Texts;
use crate::text::one_line;
use karvon_node::api::{DoorCheck, NetCheck};

/// The sentence of a verdict.
#[must_use]
pub fn verdict(texts: &Texts, check: &NetCheck, word: &str) -> String {
    let key = match word {
        "works" => "netcheck-works",
        "no_internet" => "netcheck-no-internet",
        "plain_cut" => "netcheck-plain-cut",
        "freeze" => "netcheck-freeze",
        "approved_only" => "netcheck-approved-only",
        "approved_or_singled" => "netcheck-approved-or-singled",
        "clock" => return texts.with("netcheck-clock", &[("off", hours(check.clock_s).into())]),
        "clock_or_certificate" => "netcheck-clock-or-certificate",
        "no_door" => "doctor-no-door",
        "proxy_dead" => "netcheck-proxy-dead",
        "proxy_blocked" => "netcheck-proxy-blocked",
        "portal" => "netcheck-portal",
        "door_ended" => "netcheck-door-ended",
        "refused" => "netcheck-refused",
        "silent" => "netcheck-silent",
        "plain_only" => "netcheck-plain-only",
        "counted" => "netcheck-counted",
        "counted_open" => "netcheck-counted-open",
        "slow" => "netcheck-slow",
        "breaks" => "netcheck-breaks",
        "mixed" => "netcheck-mixed",
        "version" => "netcheck-version",
        "undecided" => "netcheck-undecided",
        "transport" => "netcheck-transport",
        _ => return texts.with("netcheck-unknown", &[("code", one_line(&check.code).into())]),
    };
    // Sentences stand on several rows in their files.
    one_line(&texts.get(key))
}

/// Hours and minutes.
fn hours(off_s: Option<i64>) -> String {
    let minutes = off_s.unwrap_or_default().unsigned_abs() / 60;
    format!("{}:{:02}", minutes / 60, minutes % 60)
}

/// How a door did.
#[must_use]
pub fn outcome(texts: &Texts, door: &DoorCheck) -> String {
    let key = match door.outcome.as_str() {
        "open" => {
            return match door.echo_ms.or(door.open_ms) {
                Some(ms) => texts.with("netcheck-at-open", &[("ms", ms.to_string().into())]),
                None => texts.get("doctor-up"),
            };
        }
        "quiet" => "netcheck-at-quiet",
        "spare" => "netcheck-at-spare",
        "waiting" => "netcheck-at-waiting",
        "no_route" => "netcheck-at-no-route",
        "connect_silent" => "netcheck-at-connect-silent",
        "connect_refused" => "netcheck-at-connect-refused",
        "hello_silent" => "netcheck-at-hello-silent",
        "hello_reset" | "hello_closed" => "netcheck-at-hello-cut",
        "foreign" => "netcheck-at-foreign",
        "certificate_date" => "netcheck-at-certificate-date",
        "not_let_in" | "slot_ended" => "netcheck-at-not-let-in",
        "wrong_relay" => "netcheck-at-wrong-relay",
        "version" => "netcheck-at-version",
        "stalled" | "broke" => "netcheck-at-broke",
        "proxy_gone" => "netcheck-at-proxy-gone",
        "proxy_refused" => "netcheck-at-proxy-refused",
        "past_proxy" => "netcheck-at-past-proxy",
        "transport" => "netcheck-at-transport",
        _ => "doctor-down",
    };
    texts.get(key)
}

/// What else is to be said of a door.
#[must_use]
pub fn remarks(texts: &Texts, door: &DoorCheck) -> Vec<String> {
    let mut out = Vec::new();
    if door.freezes > 0 {
        out.push(texts.with("netcheck-frozen", &[("n", door.freezes.into())]));
    }
    if door.saving {
        out.push(texts.get("netcheck-saving"));
    }
    out
}

/// Code, time and bytes of a check.
#[must_use]
pub fn took(texts: &Texts, check: &NetCheck) -> String {
    let kb = format!("{}.{}", check.bytes / 1_000, check.bytes % 1_000 / 100);
    let values =
        [("code", one_line(&check.code).into()), ("ms", check.ms.to_string().into()), ("kb", kb.into())];
    texts.with("netcheck-took", &values)
}

#[cfg(test)]
pub(crate) fn example(word: &str) -> NetCheck {
    NetCheck {
        day: 20_780,
        code: "N00".to_owned(),
        verdict: word.to_owned(),
        also: Vec::new(),
        travels: true,
        clock_s: Some(-180_000),
        proxy: false,
        doors: Vec::new(),
        bytes: 1_234,
        ms: 321,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    #[test]
    fn every_verdict_has_a_sentence_of_its_own_in_every_language() {
        for lang in Lang::ALL {
            let texts = Texts::new(lang);
            let words = NetCheck::verdicts();
            let mut said: Vec<String> =
                words.iter().map(|word| verdict(&texts, &example(word), word)).collect();
            said.push(verdict(&texts, &example("brand_new"), "brand_new"));
            assert!(said.iter().all(|sentence| sentence.len() > 20 && !sentence.starts_with("netcheck-")));
            said.sort_unstable();
            said.dedup();
            assert_eq!(said.len(), words.len() + 1, "{lang:?}");
            let clock = verdict(&texts, &example("clock"), "clock");
            assert!(clock.contains("50:00"), "{clock}");
        }
    }

    #[test]
    fn a_door_says_how_far_it_let_this_device_come() {
        let texts = Texts::new(Lang::En);
        let mut door = DoorCheck {
            door: String::new(),
            addr: String::new(),
            kind: "web".to_owned(),
            network: 0,
            outcome: "open".to_owned(),
            open_ms: Some(900),
            echo_ms: Some(80),
            freezes: 1,
            saving: true,
        };
        assert_eq!(outcome(&texts, &door), "open, 80 ms");
        assert_eq!(remarks(&texts, &door).len(), 2);
        door.outcome = "hello_silent".to_owned();
        assert_eq!(outcome(&texts, &door), "first word gets no answer");
    }
}
