//! `netcheck`, `doctor` and `door test`: why messages travel or do not, and the report that may be given away.

use super::failure::Failure;
use super::session::{Session, unexpected};
use super::show;
use crate::lang::{Lang, Texts};
use crate::netcheck;
use crate::text::one_line;
use karvon_node::api::{DoorCheck, DoorInfo, NetCheck, Request, Response};
use karvon_node::client::Client;
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

/// How often the node is asked whether it is done.
const LOOK: Duration = Duration::from_millis(100);
/// A check ends within ten seconds; a node that takes longer has been stopped or replaced.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a script gets.
#[derive(Serialize)]
struct Checked<'a> {
    #[serde(flatten)]
    check: &'a NetCheck,
    sentence: String,
}

/// What a script gets of a report.
#[derive(Serialize)]
struct Reported {
    path: std::path::PathBuf,
    report: String,
}

/// Checks the doors.
///
/// # Errors
/// The node's; `no_path` if messages can not travel now.
pub(super) async fn netcheck(session: &Session<'_>, lang: Option<&str>) -> Result<(), Failure> {
    let check = session.with_a_look(async |client| check(&client).await).await?;
    say(session, lang, &check)?;
    ended(&check)
}

/// What a script gets of one door.
#[derive(Serialize)]
struct Tested<'a> {
    #[serde(flatten)]
    door: &'a DoorCheck,
    code: &'a str,
    verdict: &'a str,
    sentence: String,
    bytes: u64,
    ms: u64,
}

/// Tests the door of a relay, also one that is not needed now.
///
/// # Errors
/// The node's; `no_path` if it does not open.
pub(super) async fn one_door(
    session: &Session<'_>,
    lang: Option<&str>,
    which: impl Fn(&[DoorInfo]) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let check = session
        .with_a_look(async |client| {
            let Response::Doors { doors } = client.call(Request::Doors).await? else {
                return Err(unexpected());
            };
            let relay = which(&doors)?;
            let test = Request::TestDoor { relay: relay.clone() };
            found(&client, test, |check| matches!(check.doors.as_slice(), [one] if one.door == relay)).await
        })
        .await?;
    let Some(door) = check.doors.first() else { return Err(unexpected()) };
    let texts = Texts::new(lang.and_then(Lang::from_tag).unwrap_or_default());
    let sentence = spoken(&texts, &check);
    let (code, verdict) = (check.code.as_str(), check.verdict.as_str());
    let told = Tested { door, code, verdict, sentence, bytes: check.bytes, ms: check.ms };
    session.out.result(&told, || {
        [row(&texts, door), told.sentence.clone(), netcheck::took(&texts, &check)].join("\n")
    })?;
    if door.outcome == "open" {
        return Ok(());
    }
    Err(Failure::new("no_path", format!("this door does not open now ({})", one_line(&check.code))))
}

/// The verdict's sentence, as the command line says it.
fn spoken(texts: &Texts, check: &NetCheck) -> String {
    // On the screen a key is named here.
    let key = "netcheck-no-door";
    if check.verdict == "no_door" {
        one_line(&texts.get(key))
    } else {
        netcheck::verdict(texts, check, &check.verdict)
    }
}

fn row(texts: &Texts, door: &DoorCheck) -> String {
    let head = format!("{}  {}", one_line(&door.door), one_line(&door.addr));
    let how = std::iter::once(netcheck::outcome(texts, door)).chain(netcheck::remarks(texts, door));
    format!("{head}  {}", how.collect::<Vec<_>>().join(", "))
}

/// Checks the doors and shows how the node is; writes a report if that is asked for.
///
/// # Errors
/// As [`netcheck()`]; `exists` or `io` for the report, whose file is never written over.
pub(super) async fn doctor(
    session: &Session<'_>,
    lang: Option<&str>,
    report: Option<&Path>,
) -> Result<(), Failure> {
    let (check, status) = session
        .with_node(async |client| {
            let check = check(&client).await?;
            match client.call(Request::Status).await? {
                Response::Status(status) => Ok((check, status)),
                _ => Err(unexpected()),
            }
        })
        .await?;
    let Some(path) = report else {
        say(session, lang, &check)?;
        if !session.out.json {
            session.out.line(&show::for_people(&status))?;
        }
        return ended(&check);
    };
    let report = check.report();
    write_new(path, &report)?;
    let reported = Reported { path: path.to_owned(), report };
    session.out.result(&reported, || {
        let path = one_line(&reported.path.to_string_lossy());
        format!("{}saved as {path}: what you see above is all that is in it", reported.report)
    })
}

async fn check(client: &Client) -> Result<NetCheck, Failure> {
    found(client, Request::NetCheck { begin: true }, |_| true).await
}

/// Begins a check by `test` and waits for what it finds; one that was under way is waited for as well if it is not what is `wanted`.
async fn found(
    client: &Client,
    test: Request,
    wanted: impl Fn(&NetCheck) -> bool,
) -> Result<NetCheck, Failure> {
    let mut begin = true;
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let request = if begin { test.clone() } else { Request::NetCheck { begin: false } };
            match client.call(request).await? {
                Response::NetCheck { running: false, found: Some(found) } if wanted(&found) => {
                    return Ok(found);
                }
                // The one that was under way was given up, or was another one.
                Response::NetCheck { running: false, .. } => begin = true,
                Response::NetCheck { running: true, .. } => begin = false,
                _ => return Err(unexpected()),
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    waited.await.unwrap_or_else(|_| {
        Err(Failure::new(super::failure::TIMEOUT, "the node did not finish the check: restart it"))
    })
}

fn say(session: &Session<'_>, lang: Option<&str>, check: &NetCheck) -> Result<(), Failure> {
    let texts = Texts::new(lang.and_then(Lang::from_tag).unwrap_or_default());
    let sentence = spoken(&texts, check);
    session.out.result(&Checked { check, sentence: sentence.clone() }, || {
        let mut lines = vec![sentence];
        lines.extend(check.also.iter().map(|word| format!("! {}", netcheck::verdict(&texts, check, word))));
        for door in &check.doors {
            lines.push(row(&texts, door));
        }
        lines.push(netcheck::took(&texts, check));
        lines.join("\n")
    })
}

fn ended(check: &NetCheck) -> Result<(), Failure> {
    if check.travels {
        return Ok(());
    }
    Err(Failure::new(
        "no_path",
        format!("no path now ({}); what you write waits safely", one_line(&check.code)),
    ))
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::new("exists", format!("{} is there already: choose another name", path.display()))
        }
        _ => Failure::new("io", format!("{} can not be written: {error}", path.display())),
    };
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_private_and_written_over_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.txt");
        write_new(&path, "one").unwrap();
        assert_eq!(write_new(&path, "two").unwrap_err().code, "exists");
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(write_new(&folder.path().join("no/where"), "x").unwrap_err().code, "io");
    }

    #[test]
    fn no_path_is_its_own_exit_code() {
        let mut check = netcheck::example("silent");
        assert!(ended(&check).is_ok());
        check.travels = false;
        assert_eq!(ended(&check).unwrap_err().exit(), 4);
    }
}
