//! Worlds with broken toy nodes: what ends a run, and that it says why.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![allow(clippy::unwrap_used)]

use futures::AsyncWriteExt;
use karvon_simulations::det::{self, RunError, Skew};
use karvon_simulations::net::{HostSpec, Region};
use karvon_simulations::oracle::{Fact, Message, Person, Violation};
use karvon_simulations::world::World;
use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::{Duration, SystemTime};

/// Runs a world under watch.
fn watched<Fut: Future<Output = ()>>(
    script: impl FnOnce(World) -> Fut + Send + 'static,
) -> Result<Result<(), Violation>, RunError> {
    det::run(1, || async {
        let world = World::new(1, 1);
        world.watch(script(world.clone())).await
    })
}

#[test]
fn a_node_that_sends_a_text_in_the_open_ends_the_run() {
    let result = watched(|world| async move {
        let to = world.net.add_host(HostSpec::server(Region::Europe));
        let from = world.net.add_host(HostSpec::server(Region::Russia));
        let _listener = world.net.listen(to, 443).unwrap();
        let addr = (world.net.host(to, |host| host.public).unwrap(), 443).into();
        assert!(world.secrets.add("the text", b"meet me at the station"));
        let mut stream = world.net.connect(from, addr).await.unwrap();
        stream.write_all(b"hello, meet me at ").await.unwrap();
        stream.flush().await.unwrap();
        world.sleep(Duration::from_secs(1)).await;
        assert!(world.alarm().first().is_none(), "half of it is nothing");
        stream.write_all(b"the station!").await.unwrap();
        stream.flush().await.unwrap();
        std::future::pending::<()>().await;
    });
    let violation = result.unwrap().unwrap_err();
    assert_eq!(violation.oracle, "wire");
    assert!(violation.what.starts_with("the text lies open on the wire"));
}

#[test]
fn a_node_that_loses_a_message_ends_the_run_when_everything_should_be_well() {
    let message = Message { from: Person(1), to: Person(2), number: 1 };
    let result = watched(move |world| async move {
        world.fact(&Fact::Queued(message));
        world.finish();
    });
    assert_eq!(result.unwrap().unwrap_err().oracle, "nothing lost");
}

#[test]
fn a_node_that_panics_ends_the_run_under_its_name() {
    let result = watched(|world| async move {
        let host = world.net.add_host(HostSpec::server(Region::Europe));
        world.start(host, Skew::default()).spawn(async { panic!("an unwrap too many") });
        std::future::pending::<()>().await;
    });
    let violation = result.unwrap().unwrap_err();
    assert_eq!((violation.oracle, violation.what.as_str()), ("panic", "node 0 panicked: an unwrap too many"));
}

#[test]
fn a_node_that_never_rests_does_not_hang_the_world() {
    let result = watched(|world| async move {
        let host = world.net.add_host(HostSpec::server(Region::Europe));
        world.start(host, Skew::default()).spawn(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        world.sleep(Duration::from_secs(1)).await;
    });
    let violation = result.unwrap().unwrap_err();
    assert!(violation.what.ends_with("virtual time stands still: node 0 was polled last"), "{violation}");
}

#[test]
fn each_device_has_its_own_wall_clock_and_killed_ones_stay_silent() {
    let result = watched(|world| async move {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for hours in [-2_i64, 3] {
            let host = world.net.add_host(HostSpec::server(Region::Europe));
            let process = world.start(host, Skew::of_ms(hours * 3_600_000));
            let tell = tell.clone();
            process.spawn(async move {
                tell.send(SystemTime::now()).unwrap();
                tokio::time::sleep(Duration::from_secs(10)).await;
                tell.send(SystemTime::now()).unwrap();
            });
            world.sleep(Duration::from_secs(1)).await;
            process.kill().await;
        }
        drop(tell);
        let (behind, ahead) = (told.recv().await.unwrap(), told.recv().await.unwrap());
        let apart = ahead.duration_since(behind).unwrap().as_secs();
        assert!((18_000..=18_002).contains(&apart), "{apart}");
        assert!(told.recv().await.is_none(), "killed before the second word");
    });
    assert_eq!(result.unwrap(), Ok(()));
}
