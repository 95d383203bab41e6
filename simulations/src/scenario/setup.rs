//! What a scenario is run with: the number of nodes and its parameters, checked, with the nearest valid choice in each message.

use std::collections::BTreeMap;

/// A number that can be set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Param {
    /// Its name on the command line.
    pub key: &'static str,
    /// What it means, with its unit.
    pub about: &'static str,
    /// Without `--set`.
    pub default: f64,
    /// Smallest value.
    pub least: f64,
    /// Largest value.
    pub most: f64,
}

impl Param {
    /// A parameter; see the fields.
    #[must_use]
    pub const fn new(key: &'static str, about: &'static str, default: f64, least: f64, most: f64) -> Self {
        Self { key, about, default, least, most }
    }
}

/// Why a run can not be set up.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// No scenario or parameter of this name.
    #[error("there is no {what} \"{given}\"; did you mean \"{nearest}\"?")]
    Unknown {
        /// Scenario or parameter.
        what: &'static str,
        /// What was given.
        given: String,
        /// The nearest name.
        nearest: String,
    },
    /// This scenario has no parameters.
    #[error("this scenario has no parameters, so \"{0}\" can not be set")]
    NoParams(String),
    /// Not `key=value`, or the value is no number.
    #[error("\"{0}\" is not of the form key=number, such as {1}=1")]
    Form(String, String),
    /// Out of range.
    #[error("{key} can not be {given}; the nearest possible value is {nearest}")]
    Range {
        /// The parameter, or `nodes`.
        key: String,
        /// What was given.
        given: f64,
        /// The nearest bound.
        nearest: f64,
    },
    /// Too little memory.
    #[error(
        "{nodes} nodes need about {need_mib} MiB and {free_mib} MiB are free; at most {most} nodes fit now"
    )]
    Memory {
        /// What was asked for.
        nodes: usize,
        /// What it takes.
        need_mib: u64,
        /// What there is.
        free_mib: u64,
        /// What fits.
        most: u64,
    },
}

/// The values of all parameters of a scenario.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values(BTreeMap<&'static str, f64>);

impl Values {
    /// The defaults.
    #[must_use]
    pub fn defaults(params: &[Param]) -> Self {
        Self(params.iter().map(|param| (param.key, param.default)).collect())
    }

    /// The value of `key`; 0 for a key that the scenario does not have.
    #[must_use]
    pub fn get(&self, key: &str) -> f64 {
        self.0.get(key).copied().unwrap_or_default()
    }

    /// The value of `key` as a whole number.
    #[must_use]
    pub fn count(&self, key: &str) -> usize {
        self.get(key) as usize
    }

    /// The value of `key` in seconds as a duration.
    #[must_use]
    pub fn seconds(&self, key: &str) -> std::time::Duration {
        std::time::Duration::from_secs_f64(self.get(key).max(0.0))
    }

    /// The defaults with these picks (`key=value`) of a small setup. Each lies within its bounds; the catalogue's test tries them.
    pub(super) fn picked(params: &[Param], picks: impl IntoIterator<Item = String>) -> Self {
        let mut values = Self::defaults(params);
        for pick in picks {
            let set = values.set(params, &pick);
            debug_assert!(set.is_ok(), "{pick}: {set:?}");
        }
        values
    }

    /// Sets what `text` (`key=number`) says.
    ///
    /// # Errors
    /// [`SetupError`] with the nearest valid choice.
    pub fn set(&mut self, params: &[Param], text: &str) -> Result<(), SetupError> {
        let Some(first) = params.first() else { return Err(SetupError::NoParams(text.to_owned())) };
        let form = || SetupError::Form(text.to_owned(), first.key.to_owned());
        let (key, value) = text.split_once('=').ok_or_else(form)?;
        let value: f64 = value.trim().parse().map_err(|_| form())?;
        let Some(param) = params.iter().find(|param| param.key == key.trim()) else {
            let nearest = nearest(key.trim(), params.iter().map(|param| param.key));
            return Err(SetupError::Unknown { what: "parameter", given: key.trim().to_owned(), nearest });
        };
        if !(param.least..=param.most).contains(&value) {
            let nearest = if value > param.most { param.most } else { param.least };
            return Err(SetupError::Range { key: param.key.to_owned(), given: value, nearest });
        }
        self.0.insert(param.key, value);
        Ok(())
    }

    /// `key=value` of every parameter that differs from `others`.
    #[must_use]
    pub fn changed(&self, others: &Self) -> Vec<String> {
        let differs = self.0.iter().filter(|(key, value)| others.get(key) != **value);
        differs.map(|(key, value)| format!("{key}={value}")).collect()
    }
}

/// A scenario's nodes and parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// How many nodes.
    pub nodes: usize,
    /// The parameters.
    pub values: Values,
}

impl Setup {
    /// Checks the number of nodes against the scenario's bounds and the memory that is free.
    ///
    /// # Errors
    /// [`SetupError::Range`] or [`SetupError::Memory`].
    pub fn check(&self, bounds: [usize; 3], bytes_per_node: u64) -> Result<(), SetupError> {
        let [least, _, most] = bounds;
        if !(least..=most).contains(&self.nodes) {
            let nearest = self.nodes.clamp(least, most) as f64;
            return Err(SetupError::Range { key: "nodes".to_owned(), given: self.nodes as f64, nearest });
        }
        let need = self.nodes as u64 * bytes_per_node;
        match free_bytes() {
            Some(free) if need > free => Err(SetupError::Memory {
                nodes: self.nodes,
                need_mib: need >> 20,
                free_mib: free >> 20,
                most: free / bytes_per_node.max(1),
            }),
            _ => Ok(()),
        }
    }
}

/// Memory that can be taken without swapping; `None` where it is not known.
fn free_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// The name in `names` that takes the fewest changes of letters to reach from `given`.
pub(crate) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> String {
    names.min_by_key(|name| distance(given, name)).unwrap_or_default().to_owned()
}

/// Levenshtein's distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let cost = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: &[Param] =
        &[Param::new("loss", "share lost", 0.5, 0.0, 1.0), Param::new("doors", "doors left", 1.0, 0.0, 20.0)];

    #[test]
    fn values_are_set_and_told_apart_from_defaults() {
        let mut values = Values::defaults(PARAMS);
        values.set(PARAMS, "doors=5").unwrap();
        assert_eq!((values.count("doors"), values.get("loss")), (5, 0.5));
        assert_eq!(values.changed(&Values::defaults(PARAMS)), ["doors=5"]);
    }

    #[test]
    fn every_mistake_is_answered_with_the_nearest_choice() {
        let mistake = |text| Values::defaults(PARAMS).set(PARAMS, text).unwrap_err().to_string();
        assert_eq!(mistake("dors=1"), "there is no parameter \"dors\"; did you mean \"doors\"?");
        assert_eq!(mistake("doors=21"), "doors can not be 21; the nearest possible value is 20");
        assert_eq!(mistake("loss=-1"), "loss can not be -1; the nearest possible value is 0");
        assert!(mistake("loss=NaN").contains("can not be NaN"));
        assert_eq!(mistake("loss"), "\"loss\" is not of the form key=number, such as loss=1");
    }

    #[test]
    fn too_many_nodes_for_the_scenario_or_the_memory_are_refused() {
        let setup = |nodes| Setup { nodes, values: Values::default() };
        assert!(matches!(setup(1).check([2, 5, 9], 1), Err(SetupError::Range { nearest: 2.0, .. })));
        assert!(matches!(setup(9).check([2, 5, 9], 1), Ok(())));
        if free_bytes().is_some() {
            assert!(matches!(
                setup(9).check([2, 5, 9], u64::MAX >> 8),
                Err(SetupError::Memory { most: 0, .. })
            ));
        }
    }
}
