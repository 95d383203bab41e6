//! Links as bytes allow: none when they are used up, two where they are dear.

use super::{Doors, connect, links_max};
use crate::core::{Output, Reason};
use crate::engine::cx::{Alarm, Cx};

impl Doors {
    /// Ends all links: nothing may pass any more.
    pub(crate) fn hang_up(&mut self, cx: &mut Cx<'_>) {
        for link in self.links.keys() {
            cx.fx.at_once(Output::Disconnect(*link, Reason::Idle));
        }
    }

    /// Bytes may pass again: the doors are as good as new.
    pub(crate) fn dial_anew(&mut self, cx: &mut Cx<'_>) {
        for (id, state) in &mut self.doors {
            state.failures = 0;
            cx.timers.cancel(Alarm::Dial(*id));
        }
        self.dial(cx);
    }

    /// As many links as the plan wants: the newest ones end, or more doors are dialled.
    pub(crate) fn fit_links(&mut self, cx: &mut Cx<'_>) {
        let most = links_max(cx);
        for link in self.links.keys().rev().take(self.links.len().saturating_sub(most)) {
            cx.fx.at_once(Output::Disconnect(*link, Reason::Idle));
        }
        let busy = self.doors.values().filter(|state| state.dialling || state.link.is_some()).count();
        let idle = self.doors.iter_mut().filter(|(_, state)| !state.dialling && state.link.is_none());
        for (id, state) in idle.take(most.saturating_sub(busy)) {
            cx.timers.cancel(Alarm::Dial(*id));
            connect(*id, state, cx);
        }
    }
}
