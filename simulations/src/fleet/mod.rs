//! The real node in a world: relays and people's messengers on modelled hosts, with what they do turned into facts for the oracles.

mod book;
mod disk;
mod node_host;
mod person;
mod relay;
mod screen;
mod seen;
mod sour;

pub use disk::{DiskSpec, SimStore};
pub use person::{Arrivals, Pen, PersonHost};
pub use relay::RelayHost;
pub use seen::Seen;
pub use sour::{Mood, Temper};
