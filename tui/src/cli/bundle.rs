//! Bundle files: messages that travel on a stick, a telephone or with somebody who travels.

use super::args::Bundle;
use super::failure::Failure;
use super::resolve::resolve;
use super::session::{Session, contacts, unexpected};
use karvon_node::api::time::date;
use karvon_node::api::{Request, Response};
use karvon_node::leaf::inspect_bundle;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Carries out `bundle …`.
///
/// # Errors
/// `not_a_bundle`, `bundle_damaged`, `bundle_newer`, `no_such_contact`, `disk_full`, or what the node or the disk says.
pub(super) async fn bundle(session: &Session<'_>, what: Bundle) -> Result<(), Failure> {
    match what {
        Bundle::Export { file, r#for } => export(session, &file, r#for.as_deref()).await,
        Bundle::Import { file } => import(session, &file).await,
        Bundle::Inspect { file } => look(session, &file),
    }
}

/// The node may have another working directory.
fn full(file: &Path) -> Result<(PathBuf, String), Failure> {
    let path = std::path::absolute(file).map_err(|error| Failure::usage(error.to_string()))?;
    let text = path.to_str().ok_or_else(|| Failure::usage("the name of the file is not UTF-8"))?.to_owned();
    Ok((path, text))
}

async fn export(session: &Session<'_>, file: &Path, who: Option<&str>) -> Result<(), Failure> {
    let (path, text) = full(file)?;
    let answer = session
        .with_node(async |client| {
            let contact = match who {
                Some(who) => Some(resolve(&contacts(&client).await?, who)?.contact),
                None => None,
            };
            Ok(client.call(Request::ExportBundle { path: text.clone(), contact }).await?)
        })
        .await?;
    let Response::BundleWritten { own, carried, waiting, left_out, bytes } = answer else {
        return Err(unexpected());
    };
    let told = json!({ "file": text, "own": own, "carried": carried, "waiting": waiting, "left_out": left_out, "bytes": bytes });
    let line = || {
        format!(
            "{own} sealed cells of yours and {carried} of others in {}, {} KB",
            path.display(),
            bytes / 1_000
        )
    };
    session.out.result(&told, line)?;
    if own + carried == 0 {
        session.out.note("Nothing waits to be carried.");
    }
    if waiting > 0 {
        session.out.note(&format!(
            "{waiting} messages could not go along: those they are for have to answer first, by a bundle of theirs or over the network."
        ));
    }
    if left_out > 0 {
        session.out.note(&format!(
            "For {left_out} contacts not everything found room: make a bundle for each, with --for."
        ));
    }
    session.out.note(
        "Whoever carries the file sees how many cells are in it, not from whom, for whom or what they say.",
    );
    Ok(())
}

async fn import(session: &Session<'_>, file: &Path) -> Result<(), Failure> {
    let (_, text) = full(file)?;
    let answer = session
        .with_node(async |client| Ok(client.call(Request::ImportBundle { path: text.clone() }).await?))
        .await?;
    let Response::BundleTaken { opened, pending, known, refused, carried, carried_before, dropped } = answer
    else {
        return Err(unexpected());
    };
    let told = json!({
        "opened": opened, "pending": pending, "known": known, "refused": refused,
        "carried": carried, "carried_before": carried_before, "dropped": dropped,
    });
    session.out.result(&told, || format!("{opened} sealed cells for you, {known} that you had already"))?;
    let others = carried + carried_before + dropped;
    if others > 0 {
        session.out.note(&format!(
            "{others} are for others: {} are carried in your next bundle, {dropped} are too old or found no room.",
            carried + carried_before
        ));
    }
    if pending > 0 {
        session.out.note(&format!(
            "{pending} answer an attempt to begin anew with a contact; they are looked at right away."
        ));
    }
    if refused > 0 {
        session.out.note(&format!(
            "{refused} were for you and could not be read: those who wrote them will be asked for them again."
        ));
    }
    if opened > 0 {
        session.out.note("Receipts leave with your next bundle, or over the network.");
    }
    Ok(())
}

fn look(session: &Session<'_>, file: &Path) -> Result<(), Failure> {
    let seen = inspect_bundle(file)?;
    let sizes: Vec<_> =
        seen.cells.iter().map(|(bytes, count)| json!({ "bytes": bytes, "count": count })).collect();
    let until = seen.until.map(|(first, last)| [first, last].map(|day| date(u64::from(day))));
    let told = json!({ "cells": sizes, "until": until, "bytes": seen.bytes });
    session.out.result(&told, || {
        let cells: Vec<_> =
            seen.cells.iter().map(|(bytes, count)| format!("{count} of {bytes} bytes")).collect();
        let carried = match &until {
            Some([first, last]) if first == last => format!(", carried until {last}"),
            Some([first, last]) => format!(", carried until {first} to {last}"),
            None => String::new(),
        };
        format!("Sealed cells: {}{carried}; {} KB in all", cells.join(", "), seen.bytes / 1_000)
    })
}
