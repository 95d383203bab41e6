//! The command line as people and scripts write it, with help that teaches by examples.

mod channel;
mod data;
mod group;
mod own;
mod people;
mod talk;
mod time;

pub use channel::Channel;
pub use data::{Data, Network as DataNetwork, Plan as DataPlan};
pub use group::{Group, GroupRole};
pub use own::{Backup, Bundle, Config, Door, Lan, Node, Passphrase, Profile, Restore, Wipe};
pub use people::{Add, Address, Contacts, Introduce, Invite, Requests};
pub use talk::{Edit, React, Read, Reply, Save, Search, Send, Verify, Wait};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::sync::LazyLock;

const OVERVIEW: &str = "Examples:
  karvon                                        open the screen; the first start asks four questions
  karvon demo                                   try everything alone, on this device
  karvon init --name Ali --no-lock --door-file my.door
  karvon invite --qr                            show this to one person
  karvon add --stdin --name Bob < invitation.txt
  karvon send Bob 'Salom!' --wait delivered
  karvon read Bob --follow

Exit codes:
   0 done, or durably queued      5 not found, or ambiguous name   10 time-out (what was queued is safe)
   1 another failure              6 locked, or wrong passphrase    75 try again later
   2 wrong usage                  7 key or signature mismatch     130 interrupted
   3 node does not answer         8 store damaged or full
   4 no path now                  9 refused by a limit

Environment: KARVON_HOME (data directory), KARVON_PASSPHRASE_FILE, KARVON_LOG, NO_COLOR.
Karvon is experimental and unaudited.";

/// The version, and what a censor reads of this build's connections to web doors.
fn built() -> &'static str {
    static BUILT: LazyLock<String> = LazyLock::new(|| {
        format!("{}\nhello to web doors: {}", env!("CARGO_PKG_VERSION"), karvon_node::api::web_hello())
    });
    &BUILT
}

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "karvon", version, long_version = built(), about = "A messenger that finds a way: no server, no phone number", after_help = OVERVIEW)]
pub struct Cli {
    /// Where the profile lies [default: KARVON_HOME, else the user's data directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Results and errors as JSON, one object per line
    #[arg(long, global = true)]
    pub json: bool,
    /// No remarks, only results and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// No colours
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Language of the screen, for example tg, ru or en
    #[arg(long, global = true, value_name = "LANG")]
    pub lang: Option<String>,
    /// File whose first line is the passphrase that opens the profile
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Reads the passphrase from the first line of standard input
    #[arg(long, global = true, conflicts_with = "passphrase_file")]
    pub passphrase_stdin: bool,
    /// What to do; nothing opens the screen
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a profile
    #[command(after_help = "Examples:
  karvon init                                             asks for what it needs
  karvon init --name Ali --no-lock --door-file my.door    asks nothing
  karvon --passphrase-file secret.txt init --name Ali

A door is a way into the network, given to you by somebody you trust. It is a secret: prefer --door-file to --door,
because other users of this device can read a program's arguments.")]
    Init(Init),
    /// Keeps the node running in the background
    #[command(after_help = "Examples:
  karvon up && karvon status
  karvon --passphrase-file secret.txt up

Returns once the node answers. Stop it with `karvon down`.")]
    Up,
    /// Stops the node in the background
    #[command(after_help = "Examples:
  karvon down

Returns once everything is on disk. Nothing is lost: what was queued goes out next time.")]
    Down,
    /// Shows how things are: connection, messages on their way, traffic
    #[command(after_help = "Examples:
  karvon status
  karvon status --json | jq .state

States: no_door (add one), connecting, connected (a door answers), online (your mailbox is reached).")]
    Status,
    /// Makes an invitation for one person
    #[command(after_help = "Examples:
  karvon invite --qr              the other person takes a picture of it
  karvon invite --text            one line of at most 135 characters, fits one SMS
  karvon invite --text --plain    the same without the leading KARVON:

Face to face is safest, then a file, then SMS. Messengers of the state are read. Each invitation is for one person.")]
    Invite(Invite),
    /// Shows, makes or ends a published address, by which strangers may ask you for a conversation
    #[command(after_help = "Examples:
  karvon address --new     makes one to post in public; an earlier one ends
  karvon address           shows it
  karvon address --off     ends it

Whoever uses it needs a door of their own and some seconds to minutes of work by their device; what they write waits in `karvon requests`.
It tells everybody who reads it that you use Karvon, and the relays that keep your mailboxes. First texts are sealed to keys that live for
up to 52 days: whoever takes your device in that time can read those that were recorded. For people you know an invitation is better.")]
    Address(Address),
    /// Lists and answers requests of strangers
    #[command(after_help = "Examples:
  karvon requests                          who asks, and what they wrote
  karvon requests accept 3 --name Bob
  karvon requests decline 4                forgets it; they are not told
  karvon requests block 5                  and whatever else this account asks
  karvon requests unblock 5

Until you accept, they are told nothing, not even that the request came. At most 32 wait; a newer one takes the place of the oldest.")]
    Requests {
        /// What to do
        #[command(subcommand)]
        what: Option<Requests>,
    },
    /// Adds a person from their invitation or published address
    #[command(after_help = "Examples:
  karvon add                                asks for the invitation
  karvon add --stdin --name Ali < invitation.txt
  karvon add --stdin --text 'We met in Khujand' < address.txt

Returns at once. The two devices then meet by themselves; `karvon contacts` shows how far they are. At a published address you ask: that
takes some work of this device, and then waits for their answer. `karvon contacts block` ends the work.")]
    Add(Add),
    /// Lists or renames contacts
    #[command(after_help = "Examples:
  karvon contacts
  karvon contacts list --json
  karvon contacts rename Ali 'Ali from work'
  karvon contacts receipts Ali on           Ali may know what you read
  karvon contacts timer Ali 7d              new messages of both disappear a week after they were seen
  karvon contacts block Ali")]
    Contacts {
        /// What to do; nothing lists
        #[command(subcommand)]
        what: Option<Contacts>,
    },
    /// Sends a text
    #[command(after_help = "Examples:
  karvon send Ali 'Salom!'                            done as soon as it is safe on this device
  karvon send Ali --file photo.jpg                    place, device and owner are removed from pictures
  karvon send Ali - < letter.txt                      the text comes from standard input
  karvon send Ali 'On my way' --wait delivered --timeout 2m
  seq 1 100 | karvon send Ali --batch --json          one message per line

A name may be shortened as long as it is unique. A time-out (exit code 10) loses nothing: the message stays queued.")]
    Send(Send),
    /// Answers a message
    #[command(after_help = "Examples:
  karvon reply 0123456789abcdef0123456789abcdef 'Yes, tomorrow'

The id is what `karvon read --json` calls \"id\".")]
    Reply(Reply),
    /// Saves the file that came with a message
    #[command(after_help = "Examples:
  karvon save 0123456789abcdef0123456789abcdef
  karvon save 0123456789abcdef0123456789abcdef --to Downloads

Nothing is ever opened or run, and no file that is there is written over.")]
    Save(Save),
    /// Compares keys with a contact
    #[command(after_help = "Examples:
  karvon verify Ali                   shows the number: compare it face to face or by a call
  karvon verify Ali --same            you compared it, and it was the same
  karvon verify Ali --number '12345 67890 …'
  karvon verify Ali --undo")]
    Verify(Verify),
    /// Passes on an invitation, so that two of your contacts can meet
    #[command(after_help = "Examples:
  karvon introduce Bob --name Vali --stdin < invitation-of-vali.txt

Vali makes the invitation for this. Bob adds Vali with `karvon add --message ID`.")]
    Introduce(Introduce),
    /// Puts a sign on a message
    #[command(after_help = "Examples:
  karvon react 0123456789abcdef0123456789abcdef 👍
  karvon react 0123456789abcdef0123456789abcdef --remove")]
    React(React),
    /// Gives one of your messages a new text, on both devices
    #[command(after_help = "Examples:
  karvon edit 0123456789abcdef0123456789abcdef 'At eight, not at seven'")]
    Edit(Edit),
    /// Takes one of your messages back, on both devices
    #[command(after_help = "Examples:
  karvon delete 0123456789abcdef0123456789abcdef

The other person may have read it already, or may use a program that keeps it.")]
    Delete {
        /// Id of the message, 32 hexadecimal digits
        id: String,
    },
    /// Passes a message on to somebody else, or into a group
    #[command(after_help = "Examples:
  karvon forward 0123456789abcdef0123456789abcdef Bob
  karvon forward 0123456789abcdef0123456789abcdef Brigade

The message may be one with a person, in a group, or of a channel. It is marked as forwarded; whose
it was is not told, but of a channel's entry: that stays signed by its owner.")]
    Forward {
        /// Id of the message, 32 hexadecimal digits
        id: String,
        /// Name of the contact or group, or its beginning
        who: String,
    },
    /// Finds messages by their words, with people, in groups and in channels
    #[command(after_help = "Examples:
  karvon search patent
  karvon search 'пул гирифтам' --in Ali
  karvon search bricklayer --in Jobs --json

All words must be there, in any order. Case does not matter, nor the alphabet: pul finds пул. The newest comes first.")]
    Search(Search),
    /// Shows messages
    #[command(after_help = "Examples:
  karvon read                    the newest of everybody
  karvon read Ali --limit 20
  karvon read Ali --follow       and what comes from now on
  karvon read --json --since 0123456789abcdef0123456789abcdef

With --json all messages are shown, or those after --since; without it the newest 50.")]
    Read(Read),
    /// Founds groups, invites, and decides who is in them
    #[command(after_help = "Examples:
  karvon group create Brigade
  karvon group invite Brigade Bob         Bob accepts with `karvon group accept Brigade`
  karvon send Brigade 'Tomorrow at 7'     everybody in the group gets it
  karvon read Brigade
  karvon group remove Brigade Bob         Bob reads nothing that is written from now on

Owners give roles, admins invite and remove. Whoever joins reads nothing that was written before.")]
    Group {
        /// What to do; nothing lists
        #[command(subcommand)]
        what: Option<Group>,
    },
    /// Writes for whoever has a link, or reads what others write so
    #[command(after_help = channel::EXAMPLES)]
    Channel {
        /// What to do; nothing lists
        #[command(subcommand)]
        what: Option<Channel>,
    },
    /// Shows the way a message took; in a group, who has it
    #[command(after_help = "Examples:
  karvon info 0123456789abcdef0123456789abcdef

The id is what `karvon send --json` and `karvon read --json` call \"id\".")]
    Info {
        /// Id of the message, 32 hexadecimal digits
        id: String,
    },
    /// Adds, lists, tests or removes doors, the ways into the network
    #[command(after_help = "Examples:
  karvon door list
  karvon door add --file my.door
  karvon door add - < my.door
  karvon door test 0123                 exit code 0: it opens; 4: it does not
  karvon door test Ali                  the door that came from Ali
  karvon door remove 0123456789abcdef0123456789abcdef

A door behind a pluggable transport has a second line, as in a bridge line of Tor:
  pt=obfs4 192.0.2.7:443 cert=... iat-mode=0")]
    Door {
        /// What to do
        #[command(subcommand)]
        what: Door,
    },
    /// Says within ten seconds whether messages can travel now, and if not, whether the network, the door or the relay is at fault
    #[command(after_help = "Examples:
  karvon netcheck
  karvon netcheck --json | jq -r '.code, .sentence'
  karvon --lang tg netcheck

Only your own doors (or your proxy) are contacted, nobody else, and no name is looked up. If no node runs, doors are opened for this alone:
nothing is fetched or sent. Exit code 0: messages can travel now; 4: no path
now. Codes N00 to N20 stand in docs/doors.md.")]
    Netcheck,
    /// Does the same and shows how the node is; can write a report to give away
    #[command(after_help = "Examples:
  karvon doctor
  karvon doctor --report report.txt     shows the report and saves it for you alone; never writes over a file

A report names nobody and no place: no addresses, ids, names, numbers of people or messages. You see all that is in it.")]
    Doctor {
        /// Where to save a report
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Forgets the keys: nobody reads anything until `unlock`
    #[command(after_help = "Examples:
  karvon lock
  karvon config set lock.after 5m      the node locks itself when nobody has used it for so long

The running node drops its keys and everything it has read, and fetches nothing until it is opened again.")]
    Lock,
    /// Opens a locked node, or starts the node of a locked profile
    #[command(after_help = "Examples:
  karvon unlock                                   asks for the passphrase
  karvon unlock --passphrase-file secret.txt

After three wrong passphrases in a row each further one costs a wait that doubles up to ten minutes. Nothing is ever erased for that.")]
    Unlock,
    /// Sets, changes or removes the passphrase
    #[command(after_help = "Examples:
  karvon passphrase                                       asks for the old one and the new one
  karvon passphrase --remove                              whoever has this device then reads everything
  printf 'old\nnew\n' | karvon passphrase --passphrase-stdin

The old passphrase still opens copies of the key file that were made before.")]
    Passphrase(Passphrase),
    /// Makes a second profile in the same place, opened by another passphrase
    #[command(after_help = "Examples:
  karvon profile new --name Ali
  karvon profile new --name Ali --destroys-others

Which profile opens depends on the passphrase alone. With --destroys-others, whoever is made to give a passphrase can give this one: the
other profiles are destroyed when it is used. Somebody who looks into the folder sees how many profiles there are, not whose.")]
    Profile {
        /// What to do
        #[command(subcommand)]
        what: Profile,
    },
    /// Shows the 40 digits that open backups
    #[command(after_help = "Examples:
  karvon recovery-code

Write it on paper and keep it away from the device. Whoever has it and a backup is you.")]
    RecoveryCode,
    /// Writes an encrypted backup into a file
    #[command(after_help = "Examples:
  karvon backup karvon.bak
  karvon backup karvon.bak --no-history

Only the recovery code opens it (`karvon recovery-code`). It holds contacts, doors and messages, and no keys of running conversations:
after a restore each conversation forms new ones by itself.")]
    Backup(Backup),
    /// Carries messages in files, where no network does
    #[command(after_help = "Examples:
  karvon bundle export /media/stick/karvon.bundle
  karvon bundle export karvon.bundle --for Zarina
  karvon bundle import /media/stick/karvon.bundle
  karvon bundle inspect karvon.bundle

A bundle holds what waits to be delivered, sealed: for your contacts, and for others whose bundles you took. Give it to somebody who travels, or
send it by any other way that takes files. It may be taken many times and by many people; everybody gets what is theirs, once. Receipts
travel back in the other's next bundle. Groups of more than eight members and channels
are in it only on a device that has accepted a Wi-Fi (karvon lan).")]
    Bundle {
        /// What to do
        #[command(subcommand)]
        what: Bundle,
    },
    /// Delivers to contacts on the same Wi-Fi, without internet
    #[command(after_help = "Examples:
  karvon lan                  shows local networks and who is near
  karvon lan accept
  karvon lan accept wlan0     if there are several
  karvon lan forget --all

Nothing is sent on a network before it is accepted here. On an accepted one others can see that somebody uses Karvon, but not who it is,
whom they know, or whether they were there before. Messages go to contacts who accepted it too, and to relays as always.")]
    Lan {
        /// What to do; nothing shows networks
        #[command(subcommand)]
        what: Option<Lan>,
    },
    /// How many bytes were used today and for what, and how many may be
    #[command(after_help = "Examples:
  karvon data                          shows today's use, the plan and the cap of this network
  karvon data plan low                 two links at most, checks less often
  karvon data cap 5MB --network all    on every network
  karvon data cap none
  karvon data more 2MB                 for today, on this network

Bytes are counted at the sockets, with an estimate of what TCP and IP put around them; same-Wi-Fi messages are not counted. With a cap: at 80 %
upkeep, files and channels wait; at 95 % receipts wait as well; at 100 % texts are held, and nothing comes, until midnight UTC or `more`. What
waits is not lost. A line that is no local network, as a telephone's own, counts as one network.")]
    Data {
        /// What to do; nothing shows what was used
        #[command(subcommand)]
        what: Option<Data>,
    },
    /// Makes a profile from a backup
    #[command(after_help = "Examples:
  karvon restore karvon.bak                       asks for the recovery code and a new passphrase
  karvon restore karvon.bak --no-lock --code-file code.txt

There must be no profile yet. Do not use the old device any more: the two would not know of one another.")]
    Restore(Restore),
    /// Destroys the keys at once, then removes the profile
    #[command(after_help = "Examples:
  karvon wipe          asks first
  karvon wipe --now    asks nothing

Needs no passphrase. If it is cut off, the next start of anything finishes it. Without a backup nothing can be brought back.")]
    Wipe(Wipe),
    /// Shows or changes settings
    #[command(after_help = "Examples:
  karvon config get
  karvon config get ui.lang
  karvon config set ui.lang tg
  karvon config check")]
    Config {
        /// What to do
        #[command(subcommand)]
        what: Config,
    },
    /// Relays and a talking contact inside this program: try everything without anybody else
    #[command(after_help = "Examples:
  karvon demo

Nothing leaves this device and nothing is kept.")]
    Demo,
    /// Runs the node in the foreground
    #[command(hide = true)]
    Node(Node),
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Your name as contacts will see it
    #[arg(long)]
    pub name: Option<String>,
    /// Leaves the profile open: whoever has this device reads everything
    #[arg(long)]
    pub no_lock: bool,
    /// A door, a line that begins with KARVON-DOOR:; may be given several times
    #[arg(long, value_name = "DOOR")]
    pub door: Vec<String>,
    /// File with doors, one a line; - is standard input
    #[arg(long, value_name = "FILE")]
    pub door_file: Option<PathBuf>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    /// Yes
    On,
    /// No
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(line: &str) -> Cli {
        Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_by_an_example() {
        let mut command = Cli::command();
        command.build();
        let all = std::iter::once(&command).chain(command.get_subcommands()).cloned();
        for mut command in all.filter(|command| !command.is_hide_set() && command.get_name() != "help") {
            let (name, help) = (command.get_name().to_owned(), command.render_long_help().to_string());
            assert!(help.contains("Examples:\n  karvon"), "{name}: {help}");
        }
    }

    #[test]
    fn the_help_names_every_exit_code_of_the_table() {
        for (exit, ..) in super::super::failure::EXITS {
            let named = OVERVIEW.split_whitespace().any(|word| word == exit.to_string());
            assert!(named, "{exit}");
        }
    }

    #[test]
    fn the_contract_of_scripts_is_understood() {
        for line in [
            "karvon",
            "karvon --data-dir A init --name Ali --no-lock --door KARVON-DOOR:A --door KARVON-DOOR:B",
            "karvon --data-dir A up",
            "karvon --data-dir A down --json",
            "karvon --data-dir A invite --text",
            "karvon --data-dir B add --stdin --name Ali",
            "karvon --data-dir A contacts list --json",
            "karvon --data-dir A send Bob hello --wait stored --timeout 30s --json",
            "karvon --data-dir A send Bob - --json",
            "karvon --data-dir A send Bob --batch --json",
            "karvon --data-dir A send Bob - --batch --json",
            "karvon --data-dir B read Ali --follow --json",
            "karvon --data-dir B read --since 00 --json",
            "karvon --data-dir A status --json",
            "karvon --data-dir A info 00 --json",
            "karvon --data-dir A search word --in Bob --limit 5 --json",
            "karvon --data-dir A lock",
            "karvon --data-dir A unlock --passphrase-stdin",
            "karvon --data-dir A wipe --now",
            "karvon --data-dir A recovery-code",
            "karvon --data-dir A backup F --no-history",
            "karvon --data-dir A restore F --no-lock --code-file C",
            "karvon --data-dir A address --new --json",
            "karvon --data-dir A address --off",
            "karvon --data-dir B add --stdin --text hello --name Ali",
            "karvon --data-dir A requests --json",
            "karvon --data-dir A requests accept 3 --name Bob --json",
            "karvon --data-dir A requests decline 3",
            "karvon --data-dir A requests block 3",
            "karvon demo",
        ] {
            parse(line);
        }
        assert!(Cli::try_parse_from(["karvon", "send", "Bob"]).is_err());
        assert!(Cli::try_parse_from(["karvon", "send", "Bob", "x", "--wait", "read"]).is_err());
    }
}
