//! Scenarios: a topology, a script, faults and figures; and the catalogue of them.

mod channel;
mod crawl;
mod eclipse;
mod gossip;
mod group;
mod hostile;
mod mesh;
mod messages;
mod population;
mod rejoin;
mod script;
mod setup;
mod sleep;

pub use setup::{Param, Setup, SetupError, Values};

use crate::det::Rng;
use crate::report::Figures;
use crate::world::World;
use std::future::Future;
use std::pin::Pin;

/// The script of a run.
pub type Script = Pin<Box<dyn Future<Output = ()>>>;

/// A question that can be asked with any seed.
pub trait Scenario: Send + Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// What it asks, in a sentence.
    fn about(&self) -> &'static str;

    /// How many nodes it may be run with: the fewest, the default, the most.
    fn nodes(&self) -> [usize; 3];

    /// What can be set.
    fn params(&self) -> &'static [Param];

    /// What the parameters are unless they are set.
    fn defaults(&self) -> Values {
        Values::defaults(self.params())
    }

    /// Memory that a node takes, bytes; measured, rounded up.
    fn bytes_per_node(&self) -> u64;

    /// A small setup with a random mix of parameters and faults, for runs over many seeds.
    fn small(&self, rng: &mut Rng) -> Setup;

    /// The script. It builds its topology in `world`, reports figures, and calls [`World::finish`] if everything must be delivered then.
    fn script(&self, world: World, setup: Setup, figures: Figures) -> Script;
}

/// All scenarios.
#[must_use]
pub fn catalogue() -> Vec<Box<dyn Scenario>> {
    let mut all: Vec<Box<dyn Scenario>> = vec![
        Box::new(gossip::Gossip),
        Box::new(group::Group),
        Box::new(channel::Channel),
        Box::new(mesh::Mesh),
        Box::new(crawl::Crawl),
        Box::new(eclipse::Eclipse),
    ];
    for named in messages::NAMED {
        all.push(Box::new(named));
    }
    all
}

/// The scenario called `name`.
///
/// # Errors
/// [`SetupError::Unknown`] with the nearest name.
pub fn find(name: &str) -> Result<Box<dyn Scenario>, SetupError> {
    let mut all = catalogue();
    match all.iter().position(|scenario| scenario.name() == name) {
        Some(at) => Ok(all.swap_remove(at)),
        None => Err(SetupError::Unknown {
            what: "scenario",
            given: name.to_owned(),
            nearest: setup::nearest(name, all.iter().map(|scenario| scenario.name())),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own_and_sound_defaults() {
        let mut names = std::collections::BTreeSet::new();
        for scenario in catalogue() {
            assert!(names.insert(scenario.name()), "{} is there twice", scenario.name());
            let [least, usual, most] = scenario.nodes();
            assert!(least <= usual && usual <= most);
            let values = Values::defaults(scenario.params());
            for param in scenario.params() {
                assert!((param.least..=param.most).contains(&values.get(param.key)), "{}", param.key);
            }
            let mut rng = Rng::new(1);
            for _ in 0..50 {
                let setup = scenario.small(&mut rng);
                assert!((least..=most).contains(&setup.nodes));
            }
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        let error = find("gosip").err().unwrap();
        assert_eq!(error.to_string(), "there is no scenario \"gosip\"; did you mean \"gossip\"?");
    }
}
