//! Whether people and relays can reach this relay from outside, as far as another relay has tried, and what to do if not.

use crate::net::{Bounds, Listening};
use karvon_protocol::reach::Dialled;
use karvon_protocol::relay::api::RelayStatus;

/// With links to other relays for so long, none of them from outside and no answer, the relay's address can not be reached.
const WITHIN_S: u64 = 1_800;

/// What is known of being reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// `None` while nobody has tried, or nothing is proved.
    pub(super) reachable: Option<bool>,
    /// What became of the door address: a name of [`Dialled`], `unproven` or `unknown`.
    pub(super) door: String,
    /// The same of the mesh address.
    pub(super) mesh: String,
    /// All of it in words that fit a line of the status.
    pub(super) words: String,
}

/// What is known, from the core's last answer, from who came, and from links of other relays.
pub(super) fn judge(
    core: Option<&RelayStatus>,
    bounds: &Bounds,
    listening: Option<&Listening>,
    is_bridge: bool,
    uptime_s: u64,
) -> Reach {
    let held = core.and_then(|core| core.reached);
    let linked = core.is_some_and(|core| core.mesh_links > 0);
    let came = held.map(|held| bounds.dialled_back().by(&held.key)).unwrap_or_default();
    let name = |dialled: Option<Dialled>, came: bool| match dialled {
        // Its word alone is not enough.
        Some(Dialled::Reached) if !came => "unproven",
        Some(dialled) => dialled.name(),
        None => "unknown",
    };
    let findings = held.map(|held| held.findings);
    let door = name(findings.map(|found| found.door), came.0);
    let mesh = match name(findings.map(|found| found.mesh), came.1) {
        "unknown" if bounds.reached() => "reached",
        name => name,
    };
    let open = |name: &str| matches!(name, "reached" | "answers");
    let shut = |name: &str| matches!(name, "closed" | "other_key");
    let silent = findings.is_none() && !bounds.reached() && linked && uptime_s >= WITHIN_S && !is_bridge;
    let reachable = if shut(door) || shut(mesh) || silent {
        Some(false)
    } else {
        (open(door) && open(mesh)).then_some(true)
    };
    let ports: Vec<String> = [
        (door == "closed" || silent, listening.map(|at| at.web.unwrap_or(at.door).port())),
        (mesh == "closed" || silent, listening.map(|at| at.mesh.port())),
    ]
    .into_iter()
    .filter_map(|(closed, port)| port.filter(|_| closed).map(|port| port.to_string()))
    .collect();
    let words = match (reachable, findings.and_then(|found| found.seen)) {
        (Some(true), _) if door == "answers" => {
            "yes, another relay dialled back and the ports answered".to_owned()
        }
        (Some(true), _) => "yes, another relay dialled back at door and mesh address".to_owned(),
        (Some(false), _) if !ports.is_empty() => {
            format!("no: closed from outside; run: ufw allow {}/tcp", ports.join(","))
        }
        (Some(false), _) => "no: something else answers at its announced address".to_owned(),
        (None, Some(seen)) if door == "elsewhere" || mesh == "elsewhere" => {
            format!("unknown: others see {seen} instead")
        }
        (None, Some(_)) => "not proved: a relay says that it dialled, and nobody came".to_owned(),
        (None, None) if is_bridge => "not asked: an unlisted relay asks at `relay selftest` only".to_owned(),
        (None, None) if linked => "not known yet: another relay is being asked".to_owned(),
        (None, None) => "not known yet: no other relay is linked".to_owned(),
    };
    Reach { reachable, door: door.to_owned(), mesh: mesh.to_owned(), words }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::NetLimits;
    use karvon_protocol::reach::Findings;
    use karvon_protocol::relay::api::Reached;

    const KEY: [u8; 32] = [7; 32];

    fn judged(door: Dialled, mesh: Dialled, seen: &str) -> Reach {
        let bounds = Bounds::new(NetLimits::relay());
        let listening = Listening {
            door: "0.0.0.0:7443".parse().unwrap(),
            web: None,
            mesh: "0.0.0.0:7444".parse().unwrap(),
        };
        let findings = Findings { door, mesh, seen: seen.parse().ok() };
        let core = RelayStatus {
            mesh_links: 1,
            reached: Some(Reached { findings, key: KEY }),
            ..RelayStatus::default()
        };
        judge(Some(&core), &bounds, Some(&listening), false, 9)
    }

    #[test]
    fn what_is_closed_comes_with_the_line_that_opens_it() {
        let both = judged(Dialled::Closed, Dialled::Closed, "203.0.113.9");
        assert_eq!(both.reachable, Some(false));
        assert!(both.words.ends_with("ufw allow 7443,7444/tcp"), "{}", both.words);
        let one = judged(Dialled::Closed, Dialled::Elsewhere, "203.0.113.9");
        assert!(one.words.ends_with("ufw allow 7443/tcp"), "{}", one.words);
        assert_eq!(judged(Dialled::OtherKey, Dialled::Reached, "").reachable, Some(false));
    }

    #[test]
    fn a_relay_that_only_says_that_it_dialled_is_not_believed() {
        let said = judged(Dialled::Reached, Dialled::Reached, "203.0.113.9");
        assert_eq!((said.reachable, said.door.as_str(), said.mesh.as_str()), (None, "unproven", "unproven"));
    }

    #[test]
    fn the_words_fit_the_screen() {
        let long = "2001:0db8:1111:2222:3333:4444:5555:6666";
        for door in
            [Dialled::Reached, Dialled::Answers, Dialled::Closed, Dialled::OtherKey, Dialled::Elsewhere]
        {
            for mesh in [Dialled::Reached, Dialled::Closed, Dialled::Elsewhere] {
                let words = judged(door, mesh, long).words;
                assert!(words.chars().count() <= 68, "{words}");
            }
        }
        let bounds = Bounds::new(NetLimits::relay());
        for is_bridge in [false, true] {
            let words = judge(None, &bounds, None, is_bridge, 9).words;
            assert!(words.chars().count() <= 68, "{words}");
        }
    }
}
