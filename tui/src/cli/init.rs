//! `init`: makes a profile; asks only for what was not given, and nothing when all was.

use super::args::Init;
use super::ask;
use super::door::{add_all, check_all, doors_in};
use super::failure::Failure;
use super::session::{Session, until_interrupted};
use karvon_node::config;
use karvon_node::host::{NewProfile, Passphrase, attach_or_start, create};
use zeroize::Zeroizing;

/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 64;

/// Carries it out.
///
/// # Errors
/// `usage` if something is missing and nobody can be asked; `door_damaged` before anything is made; the host's.
pub(super) async fn init(session: &Session<'_>, args: Init, lang: Option<&str>) -> Result<(), Failure> {
    let mut doors: Vec<Zeroizing<String>> = args.door.into_iter().map(Zeroizing::new).collect();
    if let Some(file) = &args.door_file {
        doors.extend(doors_in(ask::lines(file)?));
    }
    check_all(&doors)?;
    if let Some(lang) = lang {
        config::check_value("ui.lang", lang)?;
    }
    let name = match args.name {
        Some(name) => name,
        None if ask::can_ask() => ask::line("Your name, as your contacts will see it:")?.to_string(),
        None => return Err(Failure::usage("give a name with --name")),
    };
    let name = check_name(&name)?;
    let passphrase = new_lock(session, args.no_lock)?;
    make(session, &name, passphrase, &doors, lang).await?;
    let dir = session.data_dir.display().to_string();
    session
        .out
        .result(&serde_json::json!({ "name": name, "data_dir": dir, "doors": doors.len() }), || {
            format!("made the profile of {name} in {dir}")
        })?;
    if doors.is_empty() {
        session.out.note("it has no door to the network yet: `karvon door add`");
    }
    Ok(())
}

/// Makes a profile and gives it its doors.
///
/// # Errors
/// The host's and the node's.
pub(super) async fn make(
    session: &Session<'_>,
    name: &str,
    passphrase: Option<Passphrase>,
    doors: &[Zeroizing<String>],
    lang: Option<&str>,
) -> Result<(), Failure> {
    let profile = NewProfile { name: name.to_owned(), passphrase: passphrase.clone() };
    create(&session.data_dir, session.host, profile).await?;
    if let Some(lang) = lang {
        config::set(&session.data_dir, "ui.lang", lang)?;
    }
    if !doors.is_empty() {
        let attached =
            attach_or_start(&session.data_dir, session.host, &session.config()?, passphrase).await?;
        let added = until_interrupted(add_all(&attached.client(), doors)).await;
        attached.leave().await;
        added?;
    }
    Ok(())
}

pub(super) fn check_name(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Failure::usage("the name must be one line with at least one letter"));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Failure::new("too_long", format!("the name is longer than {NAME_BYTES_MAX} bytes")));
    }
    Ok(name.to_owned())
}

/// How a new profile is to be locked: as was given, or as a person says.
///
/// # Errors
/// `usage` if nothing was given and nobody can be asked.
pub(super) fn new_lock(session: &Session<'_>, no_lock: bool) -> Result<Option<Passphrase>, Failure> {
    match session.passphrase()? {
        Some(_) if no_lock => Err(Failure::usage("--no-lock and a passphrase are given: choose one")),
        Some(passphrase) => Ok(Some(passphrase)),
        None if no_lock => Ok(None),
        None if ask::can_ask() => choose_passphrase(),
        None => Err(Failure::usage(
            "say --no-lock, or give a passphrase with --passphrase-stdin or --passphrase-file",
        )),
    }
}

pub(super) fn choose_passphrase() -> Result<Option<Passphrase>, Failure> {
    loop {
        let first = ask::hidden(
            "Passphrase that opens this profile (empty: whoever has this device reads everything):",
        )?;
        if first.is_empty() {
            let sure = ask::line("No passphrase. Write yes to leave the profile open:")?;
            if sure.eq_ignore_ascii_case("yes") {
                return Ok(None);
            }
        } else if *ask::hidden("The same again:")? == *first {
            return Ok(Some(first));
        } else {
            ask::say("They differ.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(check_name("  Дӯстон ").unwrap(), "Дӯстон");
        assert_eq!(check_name(" ").unwrap_err().exit(), 2);
        assert_eq!(check_name("a\u{1b}[2Jb").unwrap_err().exit(), 2);
        assert_eq!(check_name(&"я".repeat(33)).unwrap_err().exit(), 9);
    }
}
