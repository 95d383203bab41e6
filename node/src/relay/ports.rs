//! Keeps the ports of a relay at home forwarded by its router, and says in plain words what came of it.

use crate::api::server::Stop;
use crate::net::router::{self, LEASE, Outcome, Places};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long after a success the router is asked again: well before it forgets.
const RENEW: Duration = Duration::from_secs(LEASE.as_secs() / 3);
/// How long after a failure: somebody may be setting the router up.
const RETRY: Duration = Duration::from_secs(300);
/// How long taking the forwarding back may hold up the relay's end.
const FAREWELL: Duration = Duration::from_secs(3);

/// What the router said last, for the status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// `off`, `asking`, `mapped`, `mapped_elsewhere`, `no_router`, `shared_address` or `refused`.
    pub(super) state: String,
    /// The same in words.
    pub(super) words: String,
}

/// What the router says, shared with the status.
#[derive(Clone)]
pub(super) struct Router(Arc<Mutex<Said>>);

impl Default for Router {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(said("off", "is not asked to forward ports"))))
    }
}

fn said(state: &str, words: &str) -> Said {
    Said { state: state.to_owned(), words: words.to_owned() }
}

impl Router {
    pub(super) fn said(&self) -> Said {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, said: Said) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }

    /// Keeps `ports` forwarded until `stop`, and takes the forwarding back then. `announced` is the address that people are told.
    pub(super) async fn keep(
        self,
        places: Places,
        ports: Vec<u16>,
        announced: Option<SocketAddr>,
        stop: Stop,
    ) {
        self.say(said("asking", "is being asked"));
        loop {
            let outcome = tokio::select! {
                biased;
                () = stop.wait() => break,
                outcome = router::map(&places, &ports) => outcome,
            };
            tracing::info!(outcome = outcome.name(), "the router was asked to forward ports");
            let pause = if matches!(outcome, Outcome::Mapped(_)) { RENEW } else { RETRY };
            self.say(words(&outcome, announced));
            tokio::select! {
                biased;
                () = stop.wait() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        let mapped = self.said().state.starts_with("mapped");
        if mapped && tokio::time::timeout(FAREWELL, router::unmap(&places, &ports)).await.is_err() {
            tracing::info!("the router did not answer; it forgets by itself");
        }
    }
}

/// What an outcome means to an operator; each fits a line of the status.
fn words(outcome: &Outcome, announced: Option<SocketAddr>) -> Said {
    match outcome {
        Outcome::Mapped(outside) if announced.is_some_and(|addr| addr.ip() != IpAddr::V4(*outside)) => {
            said("mapped_elsewhere", "forwards, but its address is not relay.announce: change that")
        }
        Outcome::Mapped(_) => said("mapped", "forwards the ports to this machine"),
        Outcome::NoRouter => said("no_router", "none answered: forward the ports in it by hand"),
        Outcome::SharedAddress(_) => {
            said("shared_address", "shares its provider's address: nobody outside can reach it")
        }
        Outcome::Refused(why) => said("refused", &format!("no: {why}")),
    }
}

/// Whether an address is behind a router, if there is one.
pub(super) fn is_inside(listen: SocketAddr) -> bool {
    match listen.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.is_private(),
        IpAddr::V6(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn every_outcome_has_words_that_fit_the_screen() {
        let outside = Ipv4Addr::new(95, 1, 2, 3);
        let announced = |port| Some(SocketAddr::new(outside.into(), port));
        let why = "forwarding by programs is switched off in the router".to_owned();
        for (outcome, announced, state) in [
            (Outcome::Mapped(outside), announced(7_443), "mapped"),
            (Outcome::Mapped(outside), None, "mapped"),
            (Outcome::Mapped(Ipv4Addr::new(95, 1, 2, 4)), announced(7_443), "mapped_elsewhere"),
            (Outcome::NoRouter, None, "no_router"),
            (Outcome::SharedAddress(Ipv4Addr::new(100, 64, 0, 1)), None, "shared_address"),
            (Outcome::Refused(why), None, "refused"),
        ] {
            let said = words(&outcome, announced);
            assert_eq!(said.state, state);
            assert!(said.words.chars().count() <= 68, "{}", said.words);
        }
    }

    #[test]
    fn a_rented_server_has_no_router_to_ask() {
        for (addr, inside) in [
            ("0.0.0.0:7443", true),
            ("192.168.1.5:7443", true),
            ("203.0.113.9:443", false),
            ("127.0.0.1:0", false),
            ("[::]:443", false),
        ] {
            assert_eq!(is_inside(addr.parse().unwrap()), inside, "{addr}");
        }
    }

    #[tokio::test]
    async fn an_end_before_the_first_answer_is_heard() {
        let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let places = Places { ssdp: silent.local_addr().unwrap(), pmp: None };
        let (router, stop) = (Router::default(), Stop::default());
        let task = tokio::spawn(router.clone().keep(places, vec![7_443], None, stop.clone()));
        while router.said().state != "asking" {
            tokio::task::yield_now().await;
        }
        stop.stop();
        task.await.unwrap();
    }
}
