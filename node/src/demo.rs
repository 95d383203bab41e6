//! The demo: three relays and a contact that answers, in this process, on loopback, in a temporary directory.

use crate::api::backend::Backend;
use crate::api::error::{CLOSED, IO};
use crate::api::server::Stop;
use crate::api::{ApiError, Event, Request, Response};
use crate::host::NewProfile;
use crate::leaf;
use crate::relay;
use crate::relay_options::RelayOptions;
use crate::rundir::{self, TempDir};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// The contact of the demo.
const FRIEND: &str = "Kabutar";
/// The person who tries it.
const VISITOR: &str = "Mehmon";
/// Nothing of the demo takes longer than this to start.
const START: Duration = Duration::from_secs(30);

/// A node whose relays and contact live and die with it.
struct Demo {
    visitor: Arc<dyn Backend>,
    friend: Arc<dyn Backend>,
    stop: Stop,
    tasks: Arc<tokio::sync::Mutex<Vec<JoinHandle<()>>>>,
    dir: Arc<TempDir>,
}

/// Starts everything.
///
/// # Errors
/// What the disk or loopback say.
pub(crate) async fn start() -> Result<Arc<dyn Backend>, ApiError> {
    let io = |error: std::io::Error| ApiError::new(IO, format!("the demo's directory: {error}"));
    let dir = TempDir::make("karvon-demo").map_err(io)?;
    let stop = Stop::default();
    let mut tasks = Vec::new();
    let mut doors: Vec<String> = Vec::new();
    for number in 1..=3 {
        let options = RelayOptions {
            listen: Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)),
            peers: doors.first().cloned().map(Zeroizing::new).into_iter().collect(),
            allow_private: true,
            ..RelayOptions::new(dir.path().join(format!("relay{number}")))
        };
        let (tell, told) = oneshot::channel();
        let until = stop.clone();
        tasks.push(tokio::spawn(async move {
            let ended = relay::run(options, until, |ready| {
                let _ = tell.send(ready.door.clone());
            })
            .await;
            if let Err(error) = ended {
                tracing::error!(%error, "a relay of the demo stopped");
            }
        }));
        doors.push(
            within(told).await?.map_err(|_| ApiError::new(CLOSED, "a relay of the demo did not start"))?,
        );
    }
    let friend = person(dir.path(), FRIEND, &doors).await?;
    let visitor = person(dir.path(), VISITOR, &doors).await?;
    let Response::Invitation { text, .. } = friend.call(Request::Invite).await? else {
        return Err(ApiError::new(CLOSED, "the demo's contact gave no invitation"));
    };
    visitor.call(Request::Add { invitation: text, name: FRIEND.to_owned(), text: String::new() }).await?;
    tasks.push(tokio::spawn(answer(friend.clone(), friend.events())));
    let tasks = Arc::new(tokio::sync::Mutex::new(tasks));
    Ok(Arc::new(Demo { visitor, friend, stop, tasks, dir: Arc::new(dir) }))
}

async fn within<T>(future: impl Future<Output = T>) -> Result<T, ApiError> {
    tokio::time::timeout(START, future)
        .await
        .map_err(|_| ApiError::new(CLOSED, "the demo did not start in time"))
}

async fn person(dir: &Path, name: &str, doors: &[String]) -> Result<Arc<dyn Backend>, ApiError> {
    let home = dir.join(name);
    rundir::make_data_dir(&home).map_err(|error| ApiError::new(IO, error.to_string()))?;
    leaf::profile::create(&home, &NewProfile { name: name.to_owned(), passphrase: None })?;
    let node = leaf::start(&home).await?;
    for door in doors {
        node.call(Request::AddDoor { door: door.clone() }).await?;
    }
    Ok(node)
}

/// Answers each text with its echo.
async fn answer(friend: Arc<dyn Backend>, mut events: broadcast::Receiver<Event>) {
    loop {
        match events.recv().await {
            Ok(Event::Received { contact, from, to }) => {
                let page =
                    Request::Messages { contact: Some(contact), before: None, since: None, limit: 100 };
                let Ok(Response::Messages { messages, .. }) = friend.call(page).await else { continue };
                let new = messages
                    .into_iter()
                    .filter(|message| !message.mine && (from..=to).contains(&message.seq));
                for text in new.filter_map(|message| message.text) {
                    // In no language, so that everybody can read it.
                    let text = format!("\u{201c}{}\u{201d} :)", text.chars().take(500).collect::<String>());
                    if friend.call(Request::Send { contact, text }).await.is_err() {
                        return;
                    }
                }
            }
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

impl Backend for Demo {
    fn call(&self, request: Request) -> BoxFuture<'static, Result<Response, ApiError>> {
        self.visitor.call(request)
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.visitor.events()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let (visitor, friend) = (self.visitor.close(), self.friend.close());
        let (stop, tasks, dir) = (self.stop.clone(), self.tasks.clone(), self.dir.clone());
        async move {
            visitor.await;
            friend.await;
            stop.stop();
            for task in tasks.lock().await.drain(..) {
                // The echo's task ends with its node, the relays' with `stop`.
                let _ = tokio::time::timeout(Duration::from_secs(10), task).await;
            }
            dir.remove();
        }
        .boxed()
    }
}
