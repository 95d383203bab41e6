//! The device in somebody else's hands, or lost: `lock`, `unlock`, `passphrase`, `profile`, `wipe`; `recovery-code`, `backup`, `restore`.

use super::args::{Backup, Passphrase as Change, Profile, Restore, Wipe};
use super::ask;
use super::background::up;
use super::failure::Failure;
use super::init::{check_name, choose_passphrase, new_lock};
use super::session::{Secret, Session, unexpected, unlock as unlock_running};
use karvon_node::api::error::NO_PASSPHRASE;
use karvon_node::api::{Request, Response};
use karvon_node::client::Client;
use karvon_node::host::{NewProfile, Passphrase};
use karvon_node::leaf::backup as saved;
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

/// Carries out `recovery-code`.
///
/// # Errors
/// The node's.
pub(super) async fn recovery_code(session: &Session<'_>) -> Result<(), Failure> {
    let answer = session.with_node(async |client| Ok(client.call(Request::RecoveryCode).await?)).await?;
    let Response::RecoveryCode { code } = answer else { return Err(unexpected()) };
    session.out.result(&json!({ "code": code }), || code.0.to_string())?;
    session.out.note("Write it on paper. Whoever has it and a backup is you.");
    Ok(())
}

/// Carries out `backup`.
///
/// # Errors
/// The node's; what the disk says.
pub(super) async fn backup(session: &Session<'_>, args: &Backup) -> Result<(), Failure> {
    // The node may have another working directory.
    let path = std::path::absolute(&args.file).map_err(|error| Failure::usage(error.to_string()))?;
    let text = path.to_str().ok_or_else(|| Failure::usage("the name of the file is not UTF-8"))?.to_owned();
    let answer = session
        .with_node(async |client| {
            let request = Request::Backup { path: text.clone(), history: !args.no_history };
            Ok(client.call(request).await?)
        })
        .await?;
    let Response::BackedUp { contacts, messages, unready } = answer else { return Err(unexpected()) };
    let told = json!({ "file": text, "contacts": contacts, "messages": messages, "unready": unready });
    session
        .out
        .result(&told, || format!("{contacts} contacts and {messages} messages in {}", path.display()))?;
    if unready > 0 {
        session.out.note(&format!(
            "{unready} of these contacts would have to be met anew after a restore: write with them while both are online, and make another backup"
        ));
    }
    session.out.note("Only the recovery code opens it: `karvon recovery-code`.");
    Ok(())
}

/// Carries out `restore`.
///
/// # Errors
/// `wrong_code`, `backup_damaged`, `backup_newer`, `profile_exists`; `usage` if something is missing and nobody can be asked.
pub(super) fn restore(session: &Session<'_>, args: &Restore) -> Result<(), Failure> {
    let passphrase = new_lock(session, args.no_lock)?;
    let code = match &args.code_file {
        Some(file) => ask::first_line(file)?,
        None if ask::can_ask() => ask::line("Recovery code (40 digits):")?,
        None => ask::stdin_line()?,
    };
    let done = saved::restore(&session.data_dir, &args.file, &code, passphrase.as_ref())?;
    let told = json!({ "contacts": done.contacts, "messages": done.messages });
    session.out.result(&told, || {
        format!(
            "{} contacts and {} messages are back: `karvon up` greets each contact anew",
            done.contacts, done.messages
        )
    })
}
