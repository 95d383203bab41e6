//! Those who mean ill: relays that turn sour, strangers who pester doors, contacts who flood or come back with an old copy of their device.

use super::Values;
use super::population::Population;
use crate::det::Rng;
use crate::fleet::Temper;
use crate::net::{HostSpec, Region};
use crate::oracle::Fact;
use crate::world::World;
use futures::AsyncWriteExt;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Share of tunnel frames that a dropping relay loses.
const DROPPED: f64 = 0.2;
/// How long a flood of messages lasts, seconds.
const FLOOD_S: f64 = 30.0;
/// Bytes that a stranger sends before it waits for something to happen.
const RUBBISH: usize = 4_096;

/// Lets the middle of the run bring what `values` ask for.
pub(super) async fn begin(all: &mut Population, values: &Values) {
    let tempers =
        [("droppers", Temper::Drops(DROPPED)), ("stallers", Temper::Stalls), ("liars", Temper::Lies)];
    let mut order: Vec<usize> = (0..all.relays.len()).collect();
    all.rng.shuffle(&mut order);
    let mut order = order.into_iter();
    for (key, temper) in tempers {
        for at in order.by_ref().take(values.count(key)) {
            if let Some(relay) = all.relays.get(at) {
                relay.turn(temper);
            }
        }
    }
    for at in 0..values.count("rollbacks").min(all.people.len()) {
        if let Some(person) = all.people.get_mut(at) {
            person.kill().await;
            person.roll_back();
            // What only the newer state of the device held is gone, and nobody promises otherwise.
            all.world.fact(&Fact::DeviceLost(person.person));
            person.start();
        }
    }
    if values.get("flood") > 0.0 {
        flood(all, values);
    }
    if values.count("pests") > 0 {
        let doors: Vec<_> = all.relays.iter().map(crate::fleet::RelayHost::door_addr).collect();
        let (world, rng) = (all.world.clone(), all.world.rng("pests"));
        let pause = Duration::from_secs(1) / values.count("pests") as u32;
        all.pests = Some(tokio::spawn(pester(world, doors, pause, rng)));
    }
}

/// Ends it: sour relays become honest, strangers go away.
pub(super) fn end(all: &mut Population) {
    all.relays.iter().for_each(|relay| relay.turn(Temper::Honest));
    if let Some(pests) = all.pests.take() {
        pests.abort();
    }
}

/// The first person writes to a neighbour as fast as `flood` says.
fn flood(all: &Population, values: &Values) {
    let (rate, bytes) = (values.get("flood"), values.count("bytes"));
    let Some((pen, to)) = all.pen_of(0, 0) else { return };
    let written = all.written.clone();
    tokio::spawn(async move {
        for _ in 0..(rate * FLOOD_S) as u64 {
            let (pen, written) = (pen.clone(), written.clone());
            tokio::spawn(async move {
                if pen.write(to, bytes).await {
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
            tokio::time::sleep(Duration::from_secs_f64(1.0 / rate)).await;
        }
    });
}

/// Connects to every door again and again, from one address, and sends rubbish; keeps the last connections open.
async fn pester(world: World, doors: Vec<SocketAddr>, pause: Duration, mut rng: Rng) {
    let host = world.net.add_host(HostSpec::server(Region::America));
    let mut open = std::collections::VecDeque::new();
    loop {
        for door in &doors {
            let connecting = tokio::time::timeout(pause, world.net.connect(host, *door)).await;
            let Ok(Ok(mut stream)) = connecting else { continue };
            let mut rubbish = vec![0; 1 + rng.index(RUBBISH)];
            rng.fill(&mut rubbish);
            // It may have been closed already, which is what should happen.
            let _ = stream.write_all(&rubbish).await;
            let _ = stream.flush().await;
            open.push_back(stream);
            if open.len() > 1_000 {
                open.pop_front();
            }
        }
        world.sleep(pause).await;
    }
}
