//! One turn of a core: what it is fed and what it wants done.

use super::{Act, Node};
use karvon_protocol::core::*;
use karvon_protocol::link::Frame;

#[derive(Clone)]
pub(super) enum Feed {
    Timeout,
    Frame(LinkId, Frame),
    LinkUp(LinkId, LinkInfo),
    LinkDown(LinkId, Reason),
    Failed(Target),
    Persisted(BatchId),
    Loaded(LoadId, Vec<(Key, Value)>),
    Done(JobId, JobOutput),
}

impl Feed {
    pub(super) fn input<C>(self) -> Input<C> {
        match self {
            Self::Timeout => Input::Timeout,
            Self::Frame(link, frame) => Input::Frame { link, frame },
            Self::LinkUp(link, info) => Input::LinkUp(link, info),
            Self::LinkDown(link, reason) => Input::LinkDown(link, reason),
            Self::Failed(target) => Input::ConnectFailed(target, Reason::Unreachable),
            Self::Persisted(upto) => Input::Persisted { upto },
            Self::Loaded(id, rows) => Input::Loaded(id, rows),
            Self::Done(id, output) => Input::Done(id, output),
        }
    }
}

pub(super) fn drain<C: Core>(node: &mut Node<C>, now: Now) -> Vec<Act> {
    let Some(core) = node.core.as_mut() else { return Vec::new() };
    if core.next_timeout().is_some_and(|at| at <= now.mono) {
        core.handle(Input::Timeout, now);
    }
    let mut acts = Vec::new();
    while let Some(output) = core.poll() {
        match output {
            Output::Persist(batch) => acts.push(Act::Persist(batch)),
            Output::Load(id, range) => acts.push(Act::Load(id, range)),
            Output::Send { link, frame } => acts.push(Act::Send(link, frame)),
            Output::Connect(target) => acts.push(Act::Connect(target)),
            Output::Disconnect(link, reason) => acts.push(Act::Disconnect(link, reason)),
            Output::Reply(id, result) => drop(node.replies.insert(id.0, result)),
            Output::Notify(event) => node.events.push(event),
            Output::Run(id, job) => acts.push(Act::Run(id, job)),
        }
    }
    acts
}
