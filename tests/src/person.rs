//! A person as a script sees them: the `karvon` program with a data directory of its own.

use crate::api::{Api, node_file};
use crate::binaries::binaries;
use crate::process::{Outcome, alive, run, signal, with_argument};
use crate::until::{DEADLINE, until, until_within};
use crate::world::Place;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A person. Their node is killed when they are dropped.
#[derive(Debug)]
pub struct Person {
    /// The name given at `init`.
    pub name: String,
    data_dir: PathBuf,
    envs: Vec<(std::ffi::OsString, Option<std::ffi::OsString>)>,
}

/// A message as `read --json` and the local API show it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Message {
    /// The same on both devices.
    pub id: String,
    /// Name of the author.
    pub from: String,
    /// The text.
    pub text: Option<String>,
    /// RFC 3339.
    pub sent_at: String,
    /// RFC 3339; nothing for own messages.
    pub received_at: Option<String>,
    /// The author's number of it.
    pub seq: u64,
    /// Own message.
    pub mine: bool,
}

impl Person {
    /// Makes a profile without a lock, with these doors.
    ///
    /// # Panics
    /// If `init` fails.
    #[must_use]
    pub fn init(place: &Place, name: &str, doors: &[&str]) -> Self {
        let mut args = vec!["init", "--name", name, "--no-lock"];
        for door in doors {
            args.extend(["--door", door]);
        }
        let person = Self::nobody(place, name);
        let _ = person.cli(&args, "").ok();
        person
    }

    /// A data directory that does not exist yet.
    #[must_use]
    pub fn nobody(place: &Place, name: &str) -> Self {
        let template = place.command(&binaries().karvon);
        let own = |(name, value): (&std::ffi::OsStr, Option<&std::ffi::OsStr>)| {
            (name.to_owned(), value.map(Into::into))
        };
        // Not named after the person: a test looks for names in files, and paths may well stand there.
        let mut numbered = (0..).map(|number| place.path(&format!("person-{number}")));
        let data_dir = numbered.find(|path| !path.exists()).expect("numbers do not end");
        Self { name: name.to_owned(), data_dir, envs: template.get_envs().map(own).collect() }
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Runs `karvon --data-dir … ARGS` to its end.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn cli(&self, args: &[&str], stdin: &str) -> Outcome {
        // Longer than the programs' own deadlines, so that they can speak for themselves.
        run(self.command().args(args), stdin.as_bytes(), DEADLINE * 3)
    }

    /// `karvon --data-dir …` in this person's world.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&binaries().karvon);
        for (name, value) in &self.envs {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.arg("--data-dir").arg(&self.data_dir);
        command
    }

    /// Starts the background node.
    ///
    /// # Panics
    /// If `up` fails.
    pub fn up(&self) {
        let _ = self.cli(&["up"], "").ok();
    }

    /// Stops the background node, and waits until its process is gone.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn down(&self) {
        let pid = self.pid();
        let _ = self.cli(&["down"], "").ok();
        if let Some(pid) = pid {
            until("the node is gone after `down`", || (!alive(pid)).then_some(()));
        }
    }

    /// The process id of the background node, if one runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        node_file(&self.data_dir).map(|(pid, _)| pid).filter(|pid| alive(*pid))
    }

    /// Kills the background node as a power cut would.
    ///
    /// # Panics
    /// If none runs, or it does not die.
    pub fn kill9(&self) {
        let pid = self.pid().expect("a node runs");
        signal(pid, Signal::KILL);
        until("the node is gone after SIGKILL", || (!alive(pid)).then_some(()));
    }

    /// A connection to the running node's local API.
    ///
    /// # Panics
    /// If no node answers.
    #[must_use]
    pub fn api(&self) -> Api {
        until("the node answers on its socket", || Api::connect(&self.data_dir).ok())
    }

    /// A new invitation as one line of text.
    ///
    /// # Panics
    /// If it fails, or is not one line that fits an SMS.
    #[must_use]
    pub fn invite(&self) -> String {
        let outcome = self.cli(&["invite", "--text"], "").ok();
        let line = outcome.stdout.trim_end_matches('\n').to_owned();
        assert!(
            !line.contains('\n') && (1..=135).contains(&line.len()),
            "not one short line: {:?}",
            outcome.stdout
        );
        line
    }

    /// Adds a contact from an invitation under a local name.
    #[must_use]
    pub fn add(&self, invitation: &str, name: &str) -> Outcome {
        self.cli(&["add", "--stdin", "--name", name, "--json"], &format!("{invitation}\n"))
    }

    /// Takes a new invitation of `other` (whose node must be up), and waits until both sides see the other as connected, each under
    /// the other's own name.
    ///
    /// # Panics
    /// If they do not meet.
    pub fn meet(&self, other: &Self) {
        let invitation = other.invite();
        let _ = self.add(&invitation, &other.name).ok();
        for (one, two) in [(self, other), (other, self)] {
            until(&format!("{} sees {} as connected", one.name, two.name), || {
                (one.meeting(&two.name)? == json!("connected")).then_some(())
            });
        }
    }

    /// How far the meeting with `contact` is, as the local API says it; `None` if there is no such contact.
    ///
    /// # Panics
    /// If no node runs.
    #[must_use]
    pub fn meeting(&self, contact: &str) -> Option<Value> {
        let contacts = self.api().call("contacts", &Value::Null).ok()?;
        let contacts = contacts["contacts"].as_array()?;
        contacts.iter().find(|known| known["name"] == contact).map(|known| known["meeting"].clone())
    }

    /// Sends a text and waits for nothing but its being queued; returns its id.
    ///
    /// # Panics
    /// If it fails.
    pub fn send(&self, to: &str, text: &str) -> String {
        self.send_wait(to, text, "queued")
    }

    /// Sends a text, waits until it has come to `state`, and returns its id.
    ///
    /// # Panics
    /// If it does not come that far.
    pub fn send_wait(&self, to: &str, text: &str, state: &str) -> String {
        let outcome = self.cli(&["send", to, "-", "--wait", state, "--timeout", "30s", "--json"], text).ok();
        let answers = outcome.json();
        let [answer] = answers.as_slice() else { panic!("not one answer: {outcome:?}") };
        assert!(reached(answer, state), "{answer} has not reached {state}");
        answer["id"].as_str().unwrap_or_else(|| panic!("no id: {answer}")).to_owned()
    }

    /// Sends many texts in order, and waits until all have come to `state`.
    ///
    /// # Panics
    /// If they do not come that far.
    pub fn send_batch(&self, to: &str, texts: &[String], state: &str) {
        let lines = texts.join("\n") + "\n";
        let _ =
            self.cli(&["send", to, "--batch", "--wait", state, "--timeout", "60s", "--json"], &lines).ok();
    }

    /// What `read --json` shows of the conversation with `contact`.
    ///
    /// # Panics
    /// If it fails or shows something else.
    #[must_use]
    pub fn read(&self, contact: &str) -> Vec<Message> {
        let outcome = self.cli(&["read", contact, "--json"], "").ok();
        let message =
            |value| serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
        outcome.json().into_iter().map(message).collect()
    }

    /// Texts received from `contact`, oldest first, over the local API.
    ///
    /// # Panics
    /// If no node runs, or there is no such contact.
    #[must_use]
    pub fn received(&self, contact: &str) -> Vec<String> {
        let mut api = self.api();
        let number = api.contact(contact).ok().flatten().expect("the contact is known");
        let messages = api.messages(Some(number)).expect("messages can be listed");
        let theirs = messages.into_iter().filter(|message| message["mine"] == false);
        theirs.map(|message| message["text"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until `enough` is true of the texts received from `contact`.
    ///
    /// # Panics
    /// If it is not within `deadline`.
    pub fn receives(
        &self,
        contact: &str,
        deadline: Duration,
        mut enough: impl FnMut(&[String]) -> bool,
    ) -> Vec<String> {
        until_within(deadline, &format!("{} receives what {contact} sent", self.name), || {
            Some(self.received(contact)).filter(|texts| enough(texts))
        })
    }

    /// What `status --json` says.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn status(&self) -> Value {
        let outcome = self.cli(&["status", "--json"], "").ok();
        outcome.json().into_iter().next().expect("status is one object")
    }

    /// Waits until a link is up and a mailbox attached.
    ///
    /// # Panics
    /// If that does not happen.
    pub fn online(&self) {
        let mut api = self.api();
        until(&format!("{} is online", self.name), || {
            (api.call("status", &Value::Null).ok()?["state"] == "online").then_some(())
        });
    }
}

/// Whether an answer's state is at least `wanted`.
fn reached(answer: &Value, wanted: &str) -> bool {
    const ORDER: [&str; 4] = ["queued", "stored", "delivered", "read"];
    let rank = |state: &str| ORDER.iter().position(|known| *known == state);
    answer["state"].as_str().and_then(rank) >= rank(wanted)
}

impl Drop for Person {
    fn drop(&mut self) {
        // Also one that is just starting and has not written its file yet.
        for pid in with_argument(&self.data_dir).into_iter().chain(self.pid()) {
            signal(pid, Signal::KILL);
        }
    }
}
