//! Who comes back after the border was cut, and who still reaches whom.

use super::population::{Population, inside};
use crate::fleet::PersonHost;
use crate::net::{SECOND, SimTime};
use crate::report::Figures;
use futures::future::join_all;

/// Messages written this shortly before the measurement may still be on their way.
const UNDER_WAY: SimTime = 60 * SECOND;

/// Looks how many people inside have a door and a mailbox; adds a point to the curves, and a sample for each who has come back.
pub(super) async fn look(all: &mut Population, figures: &Figures) {
    let Some(cut_at) = all.cut_at else { return };
    let people: Vec<_> = all.people.iter().filter(|person| lives_inside(all, person)).collect();
    let status = join_all(people.iter().map(|person| person.status())).await;
    let (mut linked, mut attached) = (0, 0);
    let mut back = Vec::new();
    for (person, status) in people.iter().zip(&status) {
        let Some(status) = status else { continue };
        linked += u32::from(status.links > 0);
        if status.mailboxes_attached > 0 {
            attached += 1;
            back.push(person.person);
        }
    }
    let (count, since) = (f64::from(people.len().max(1) as u32), (all.world.now() - cut_at) as f64 / 1e9);
    figures.point("inside_with_a_door_percent", since, 100.0 * f64::from(linked) / count);
    figures.point("inside_with_a_mailbox_percent", since, 100.0 * f64::from(attached) / count);
    figures.number("inside_with_a_door_percent", 100.0 * f64::from(linked) / count);
    figures.number("inside_with_a_mailbox_percent", 100.0 * f64::from(attached) / count);
    for person in back {
        if all.restarted.remove(&person) {
            figures.sample("rejoin_s", since);
        }
    }
}

/// What became of messages that were written after the cut, by where both ends live and whether both still have a door and a mailbox.
pub(super) async fn reach(all: &Population, figures: &Figures) {
    let Some(cut_at) = all.cut_at else { return };
    let status = join_all(all.people.iter().map(PersonHost::status)).await;
    let connected: Vec<bool> = status
        .iter()
        .map(|status| status.as_ref().is_some_and(|status| status.links > 0 && status.mailboxes_attached > 0))
        .collect();
    let home: Vec<bool> = all.people.iter().map(|person| lives_inside(all, person)).collect();
    let until = all.world.now().saturating_sub(UNDER_WAY);
    let mut tallies = [(0_u64, 0_u64); 4];
    for person in &all.people {
        for (message, shown) in person.written_between(cut_at, until) {
            let ends = [message.from.0 as usize, message.to.0 as usize];
            let at = |list: &[bool], end: usize| list.get(end).copied().unwrap_or_default();
            let [from, to] = ends.map(|end| at(&home, end));
            let kind = match (from, to) {
                (true, true) => 0,
                (false, false) => 1,
                _ => 2,
            };
            let both = ends.into_iter().all(|end| at(&connected, end));
            for (of_kind, tally) in tallies.iter_mut().enumerate() {
                if of_kind == kind || of_kind == 3 && both {
                    tally.0 += u64::from(shown);
                    tally.1 += 1;
                }
            }
        }
    }
    let names = [
        "reached_inside_percent",
        "reached_abroad_percent",
        "reached_across_percent",
        "reached_between_connected_percent",
    ];
    for (name, (shown, written)) in names.into_iter().zip(tallies) {
        figures.share(name, shown, written);
    }
}

fn lives_inside(all: &Population, person: &PersonHost) -> bool {
    all.world.net.host(person.host(), |host| inside().contains(host.region)).unwrap_or(false)
}
