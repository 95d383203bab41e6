//! The modelled network: hosts, links between regions, NATs, cuts and censors around one event queue with one driver task.

mod addr;
mod event;
mod flow;
mod host;
mod link;
mod nat;
mod path;
mod state;
mod stream;
mod tap;

pub use flow::{FlowId, Side};
pub use host::{Host, HostId, HostSpec, Lan, Nat};
pub use link::{LinkClass, LinkProfile, Region, RegionSet, one_way_ms};
pub use state::{CensorId, Net, NetCounts};
pub use stream::{Connecting, Listener, SimStream, to_ms};
pub use tap::{Segment, Tap};

/// Virtual time since the start of the world, nanoseconds.
pub type SimTime = u64;

/// One millisecond of [`SimTime`].
pub const MS: SimTime = 1_000_000;
/// One second of [`SimTime`].
pub const SECOND: SimTime = 1_000 * MS;
