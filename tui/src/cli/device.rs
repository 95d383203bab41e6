//! The device in somebody else's hands: `lock`, `unlock`, `passphrase`, `profile` and `wipe`.

use super::args::{Passphrase as Change, Profile, Wipe};
use super::ask;
use super::background::up;
use super::failure::Failure;
use super::init::{check_name, choose_passphrase};
use super::session::{Secret, Session, unlock as unlock_running};
use karvon_node::api::Request;
use karvon_node::api::error::NO_PASSPHRASE;
use karvon_node::client::Client;
use karvon_node::host::{NewProfile, Passphrase};
use karvon_node::leaf::profile as on_disk;
use serde_json::json;

/// Carries out `lock`.
///
/// # Errors
/// `no_passphrase` if nothing can be locked; `no_profile`; the node's.
pub(super) async fn lock(session: &Session<'_>) -> Result<(), Failure> {
    let client = Client::connect(&session.data_dir).await?;
    let was_running = client.is_some();
    match client {
        Some(client) => drop(client.call(Request::Lock).await?),
        None if on_disk::needs_passphrase(&session.data_dir)? => {}
        None => return Err(unlocked_for_ever()),
    }
    session.out.result(&json!({ "state": "locked", "was_running": was_running }), || {
        if was_running { "locked".to_owned() } else { "locked: no node is running".to_owned() }
    })
}

fn unlocked_for_ever() -> Failure {
    Failure::new(
        NO_PASSPHRASE,
        "this profile has no passphrase, so nothing can be locked: set one with `karvon passphrase`",
    )
}

/// Carries out `unlock`.
///
/// # Errors
/// `locked` without a passphrase, `wrong_passphrase`, `wait`; those of `up`.
pub(super) async fn unlock(session: &Session<'_>) -> Result<(), Failure> {
    if unlock_running(session).await? {
        return session.out.result(&json!({ "state": "unlocked" }), || "unlocked".to_owned());
    }
    up(session).await
}

/// Carries out `passphrase`.
///
/// # Errors
/// Those of [`on_disk::change_passphrase`]; `usage` if nobody can be asked for the new one.
pub(super) fn passphrase(session: &Session<'_>, args: &Change) -> Result<(), Failure> {
    let has_one = on_disk::needs_passphrase(&session.data_dir)?;
    let old = if has_one { Some(session.passphrase_or_ask()?) } else { None };
    let new = if args.remove { None } else { new_passphrase(session)? };
    on_disk::change_passphrase(&session.data_dir, old.as_ref(), new.as_ref())?;
    let locked = new.is_some();
    session.out.result(&json!({ "locked": locked }), || match locked {
        true => "changed".to_owned(),
        false => "removed: whoever has this device reads everything".to_owned(),
    })
}

/// The next line of standard input, or what a person types twice.
fn new_passphrase(session: &Session<'_>) -> Result<Option<Passphrase>, Failure> {
    match session.secret {
        Secret::Stdin => ask::stdin_line().map(Some),
        _ if ask::can_ask() => choose_passphrase(),
        _ => Err(Failure::usage("give the new passphrase as the next line with --passphrase-stdin")),
    }
}

/// Carries out `profile`.
///
/// # Errors
/// Those of [`on_disk::add`]; `usage` if nobody can be asked.
pub(super) fn profile(session: &Session<'_>, what: Profile) -> Result<(), Failure> {
    let Profile::New { name, destroys_others } = what;
    let name = check_name(&name)?;
    if !on_disk::needs_passphrase(&session.data_dir)? {
        return Err(unlocked_for_ever());
    }
    let owner = session.passphrase_or_ask()?;
    let Some(passphrase) = new_passphrase(session)? else {
        return Err(Failure::usage("a second profile needs a passphrase of its own"));
    };
    let profile = NewProfile { name: name.clone(), passphrase: Some(passphrase) };
    on_disk::add(&session.data_dir, Some(&owner), &profile, destroys_others)?;
    session.out.result(&json!({ "name": name, "destroys_others": destroys_others }), || {
        format!("made a second profile for {name}: its passphrase opens it")
    })
}

/// Carries out `wipe`.
///
/// # Errors
/// `no_profile`; `usage` if nobody confirms; what the disk says.
pub(super) async fn wipe(session: &Session<'_>, args: &Wipe) -> Result<(), Failure> {
    if !args.now {
        if !ask::can_ask() {
            return Err(Failure::usage("say --now to wipe without being asked"));
        }
        let sure =
            ask::line("Everything of this profile is destroyed and can not be brought back. Write WIPE:")?;
        if *sure != "WIPE" {
            return Err(Failure::usage("nothing was wiped"));
        }
    }
    on_disk::wipe(&session.data_dir).await?;
    session.out.result(&json!({ "state": "wiped" }), || "wiped".to_owned())
}
