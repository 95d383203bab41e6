//! Attach or start: one node per data directory whoever comes first, and what a killed one leaves is replaced.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod fake;

use fake::FakeHost;
use karvon_node::api::{API_VERSION, Request, Response};
use karvon_node::client::Client;
use karvon_node::config::Config;
use karvon_node::host::{Attached, attach_or_start, released};
use karvon_node::rundir::{DirLock, NodeFile};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::Ordering;
use zeroize::Zeroizing;

async fn attach(dir: &Path, host: &FakeHost) -> Attached {
    attach_or_start(dir, host, &Config::default(), None).await.unwrap()
}

#[tokio::test]
async fn of_many_that_start_at_once_one_runs_the_node_and_the_others_attach() {
    let dir = tempfile::tempdir().unwrap();
    let host = FakeHost::default();
    let all = futures::future::join_all((0..8).map(|_| attach(dir.path(), &host))).await;
    assert_eq!(all.iter().filter(|attached| matches!(attached, Attached::Own(_))).count(), 1);
    for attached in &all {
        assert!(matches!(attached.client().call(Request::Contacts).await, Ok(Response::Contacts { .. })));
    }
    for attached in all {
        attached.leave().await;
    }
    released(dir.path()).await.unwrap();
    assert!(NodeFile::read(dir.path()).is_none());
    assert_eq!(host.closed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn when_the_owner_leaves_the_next_one_starts_again_and_never_two_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let host = FakeHost::default();
    let turns = futures::future::join_all((0..6).map(|_| async {
        for _ in 0..5 {
            let attached = attach(dir.path(), &host).await;
            let _ = attached.client().call(Request::Contacts).await;
            attached.leave().await;
        }
    }));
    turns.await;
    assert_eq!(host.two_at_once.load(Ordering::SeqCst), 0);
    assert_eq!(host.started.load(Ordering::SeqCst), host.closed.load(Ordering::SeqCst));
}

#[tokio::test]
async fn what_a_killed_node_left_is_recognised_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let host = FakeHost::default();
    let socket = karvon_node::rundir::socket_path(dir.path()).unwrap();
    // A socket file that nobody listens to, the file that names it, and a lock file without a holder.
    drop(UnixListener::bind(&socket).unwrap());
    NodeFile { pid: 999_999, socket, version: API_VERSION }.write(dir.path()).unwrap();
    drop(DirLock::take(dir.path()).unwrap());
    assert!(Client::connect(dir.path()).await.unwrap().is_none());
    let attached = attach(dir.path(), &host).await;
    assert!(matches!(attached, Attached::Own(_)));
    assert!(Client::connect(dir.path()).await.unwrap().is_some());
    attached.leave().await;
}

#[tokio::test]
async fn a_wrong_passphrase_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let host = FakeHost::default();
    let wrong = Some(Zeroizing::new("wrong".to_owned()));
    let refused = attach_or_start(dir.path(), &host, &Config::default(), wrong).await.err().unwrap();
    assert_eq!(refused.code, "wrong_passphrase");
    let right = Some(Zeroizing::new("right".to_owned()));
    let attached = attach_or_start(dir.path(), &host, &Config::default(), right).await.unwrap();
    attached.leave().await;
}

#[tokio::test]
async fn a_directory_that_does_not_exist_is_no_profile_and_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error =
        attach_or_start(&missing, &FakeHost::default(), &Config::default(), None).await.err().unwrap();
    assert_eq!(error.code, "no_profile");
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_node_asked_to_stop_tells_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let Attached::Own(node) = attach(dir.path(), &FakeHost::default()).await else {
        panic!("nobody else runs")
    };
    let client = Client::connect(dir.path()).await.unwrap().unwrap();
    client.call(Request::Shutdown).await.unwrap();
    node.asked_to_stop().await;
    node.close().await;
    released(dir.path()).await.unwrap();
}
