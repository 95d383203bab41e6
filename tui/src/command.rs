//! What an update asks the outside world to do, and what the wizard found out.

use karvon_node::api::Request;
use zeroize::Zeroizing;

use crate::app::Talk;
use crate::app::alert::Alert;
use crate::lang::Lang;

/// Something to be done outside the model.
pub enum Command {
    /// Ask the node; the answer comes back with the purpose.
    Call(Request, Purpose),
    /// Put text into the clipboard of the terminal.
    Copy(String),
    /// Write a setting of the configuration file: key and value.
    Set(&'static str, &'static str),
    /// Take taps and the wheel from the terminal, or leave them to it.
    Mouse(bool),
    /// Tell of new messages beside the screen.
    Alert(Alert),
    /// Let a text be written in the person's editor; it comes back as [`crate::app::Action::Edited`].
    Edit(Zeroizing<String>),
    /// Read a folder, so that a file in it can be chosen.
    ListFiles(String),
    /// Read a file and hand it to the node for a conversation.
    SendFile(Talk, String),
    /// Write a file that came with a message: its name and contents in base64.
    SaveFile(String, Zeroizing<String>),
    /// Say after a few seconds that nobody types any more.
    Later(u32, u64),
    /// Try a passphrase.
    Unlock(Zeroizing<String>),
    /// The wizard is done.
    Finish(WizardResult),
    /// Leave the program.
    Quit,
}

/// Why the node was asked, so that its answer finds its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// First call: versions are compared.
    Hello,
    /// Nothing is done with the answer; an error is shown.
    Plain,
    /// Nothing is done with the answer, whatever it is.
    Silent,
    /// State for the top line.
    Status,
    /// The list of people.
    Contacts,
    /// Newest messages of all conversations, for the list.
    Recent,
    /// The newest message of one conversation, for the list.
    Latest(Talk),
    /// Newest page of the open conversation.
    Newest(Talk),
    /// A page before the window with this number.
    Older(Talk, u64),
    /// A page after the window with this number.
    Newer(Talk, u64),
    /// How far the messages of the window with this number are now.
    Marks(Talk, u64),
    /// A page that ends with this position, as a new window of the open conversation.
    Jump(Talk, u64),
    /// The first page of the open conversation, as a new window.
    First(Talk),
    /// What is searched for.
    Search,
    /// A message was passed on into this conversation.
    Passed(Talk),
    /// A message as it is now, or what holds for a contact was changed.
    Changed,
    /// A message as it is now, by its id.
    Again(String),
    /// A name was changed.
    Rename,
    /// Who asks for a conversation.
    Requests,
    /// The doors, for the doctor.
    Doors,
    /// What a check of them found.
    NetCheck,
    /// A passphrase was tried.
    Unlock,
    /// Everything is to be closed.
    Lock,
    /// Everything is to be destroyed.
    Wipe,
    /// The safety number with a contact.
    Safety(u32),
    /// The file in a message.
    File,
    /// A text was handed over.
    Sent,
    /// Messages were marked as seen.
    Marked(Talk),
    /// The groups.
    Groups,
    /// The channels.
    Channels,
    /// Who is in this group.
    Members(u32),
    /// A group or a channel was founded; these contacts are to be invited.
    Founded(Vec<u32>),
    /// A channel is being followed.
    Follow,
    /// An invitation into a group was accepted.
    Joined,
    /// Something about this group was changed.
    Group(u32),
    /// A group or a channel was left.
    Left(Talk),
    /// The link of a channel or group.
    Link,
    /// An invitation was asked for.
    Invite,
    /// The published address was asked for, made or ended.
    Address,
    /// Local networks were asked for or changed.
    Wifi,
    /// A person is being added.
    Add,
    /// A door is being added.
    AddDoor,
    /// The way of a message.
    Info(String),
}

impl Purpose {
    /// The conversation whose messages were asked for.
    #[must_use]
    pub fn talk(&self) -> Option<Talk> {
        match self {
            Self::Latest(talk)
            | Self::Newest(talk)
            | Self::Older(talk, _)
            | Self::Newer(talk, _)
            | Self::Marks(talk, _)
            | Self::Jump(talk, _)
            | Self::First(talk) => Some(*talk),
            _ => None,
        }
    }
}

/// How the profile is locked.
pub enum Lock {
    /// By this passphrase.
    Passphrase(Zeroizing<String>),
    /// Not at all: whoever takes the device reads everything.
    None,
}

/// How the first connection is made.
pub enum Connect {
    /// A line that starts with `KARVON-DOOR:`.
    Door(Zeroizing<String>),
    /// An invitation of a person.
    Invitation(Zeroizing<String>),
    /// Relays and a talking contact in this process.
    Demo,
    /// Nothing yet.
    Later,
}

/// What the first start was told; the caller makes the profile from it.
pub struct WizardResult {
    /// Language.
    pub lang: Lang,
    /// Only glyphs every terminal has.
    pub plain: bool,
    /// Name shown to contacts.
    pub name: String,
    /// Lock.
    pub lock: Lock,
    /// First connection.
    pub connect: Connect,
}

impl Connect {
    /// Recognises a pasted line: a door, or what may be an invitation (the node checks it letter by letter). `None` for anything
    /// else.
    #[must_use]
    pub fn recognise(pasted: &str) -> Option<Self> {
        let joined: Zeroizing<String> = Zeroizing::new(pasted.split_whitespace().collect());
        let is_door = joined.get(..12).is_some_and(|start| start.eq_ignore_ascii_case("KARVON-DOOR:"));
        let mut words = pasted.split_whitespace().skip_while(|word| !word.starts_with("pt="));
        // Spaces part the words of a transport's line, so only what stands before it is put together.
        if let Some(first) = words.next().filter(|_| is_door) {
            let door = pasted.split_whitespace().take_while(|word| !word.starts_with("pt="));
            let mut line = Zeroizing::new(String::with_capacity(pasted.len() + 1));
            door.for_each(|part| line.push_str(part));
            for word in core::iter::once(first).chain(words) {
                line.push(' ');
                line.push_str(word);
            }
            return Some(Self::Door(line));
        }
        if is_door {
            return Some(Self::Door(joined));
        }
        let bare = match joined.get(..7) {
            Some(start) if start.eq_ignore_ascii_case("KARVON:") => joined.get(7..).unwrap_or_default(),
            _ => &joined,
        };
        let plausible = bare.len() >= 64 && bare.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plausible.then(|| Self::Invitation(joined.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::Connect;

    #[test]
    fn a_pasted_line_is_recognised_even_when_a_terminal_broke_it() {
        assert!(
            matches!(Connect::recognise(" karvon-door:abc\n def "), Some(Connect::Door(line)) if *line == "karvon-door:abcdef")
        );
        assert!(
            matches!(Connect::recognise(" karvon-door:abc\n def\npt=obfs4  192.0.2.7:443\n a=b"), Some(Connect::Door(line)) if *line == "karvon-door:abcdef pt=obfs4 192.0.2.7:443 a=b")
        );
        let code = "K7QF".repeat(26);
        assert!(matches!(Connect::recognise(&format!("KARVON:{code}")), Some(Connect::Invitation(_))));
        assert!(matches!(Connect::recognise(&code), Some(Connect::Invitation(line)) if *line == code));
    }

    #[test]
    fn a_sentence_or_a_fragment_is_not() {
        assert!(Connect::recognise("Салом, чӣ хел?").is_none());
        assert!(Connect::recognise("KARVON:K7QF").is_none());
        assert!(Connect::recognise("").is_none());
    }
}
