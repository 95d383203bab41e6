### English. `reviewed = yes` once a native speaker who did not write it has read the file.
reviewed = no

# Top line
state-no-door = no door
state-connecting = connecting
state-connected = connected
state-online = online
state-gone = node stopped
state-locked = locked
state-store = disk failed
status-queued = { $n } queued
status-near = near: { $n }
status-data = data { $percent } %
status-one-operator = one operator sees address and times
status-one-operator-short = one operator

# Line of keys: one or two words each
key-quit = quit
key-next = next
key-back = back
key-language = language
key-glyphs = glyphs
key-choose = choose
key-open = open
key-add = add
key-field = next field
key-copy = copy
key-copy-id = copy number
key-theirs = paste theirs
key-invert = invert
key-scroll = scroll
key-invite = my invitation
key-send = send
key-newline = new line
key-message = choose message
key-find = find
key-help = help
key-unread = next unread
key-search = search
key-actions = actions
key-forward = forward
key-reply = answer
key-delete = take back
key-wipe = wipe
key-change = change
key-again = test again
key-unlock = unlock
key-details = about contact
key-rename = rename
key-square = square
key-line = as a line
key-same = it is the same
key-file = file
key-report = report
key-save = save
key-accept = accept
key-decline = decline
key-new = new
key-end = end
key-block = block
key-about = about
key-pick = pick
key-ready = ready
key-leave = leave
key-remove = remove

# Commands of the menu
command-add = Add a person, a door or a channel
command-invite = Show my invitation
command-unread = Go to the next unread conversation
command-requests = Requests of strangers
command-address = Published address
command-wifi = Same Wi-Fi
command-group = Make a group
command-channel = Make a channel
command-search = Search in all messages
command-start = To the beginning of the conversation
command-newest = To the newest message
command-details = About this contact, group or channel
command-file = Send a file (up to 45 kB)
command-lock = Lock now
command-wipe = Wipe everything from this device
command-editor = Write in an editor ($EDITOR)
command-settings = Settings: language, look, notifications
command-doctor = Doctor: why does it not connect?
command-help = Help: keys and signs
command-back = Back to the conversations
command-quit = Quit Karvon

# Notices
node-gone = The node stopped. Messages on this device are safe. Start Karvon again.
starting = Karvon is starting…
quit-unsent = There is text that was not sent. Press ^Q again to quit without it.
no-unread = Nothing unread.
text-full = The text is as long as one message may be. Send it, then go on.
copied = Handed to the terminal's clipboard. If nothing arrives, select it by hand.
added = Added. You can write at once; it leaves when the other side has answered.
door-added = Door added. Connecting.
not-recognised = This is neither a door nor an invitation. Copy the whole line again.
forwarded = Forwarded to { $name }.
renamed = The name is changed on this device.
changed = Done.
saved = Saved as { $path }. Open only what you expected to get.
editor-failed =
    The editor could not be used. Set $EDITOR to one that you have, for
    example nano.
alert-from = { $name }: { $new }

# List and conversation
list-empty = Nobody here yet. Press ^N to paste an invitation, or ^Y to show yours.
list-no-door =
    No door to the network yet, so nobody can be reached.
    A door comes from a person you trust: with their invitation, to scan or to
    paste, or as a line from somebody who runs a relay. There is no public list:
    it would be the first thing to be blocked.
    ^N: paste what you were given. Without anybody: quit and start karvon demo.
chat-none = Choose a conversation, or press ^K to find one.
chat-loading = Reading…
chat-empty = No messages yet. What you write is sealed before it leaves this device.
verified = verified
meeting-looking-up = looking up the invitation
meeting-greeting = waiting for the first answer
meeting-asking = working to be let in by a relay
meeting-waiting = asked; waiting for an answer
meeting-failed = held
new-messages =
    { $n ->
        [one] { $n } new
       *[other] { $n } new
    }
newer-below = newer messages below: PgDn
waiting = { $n } being written to disk
unknown-kind = [a kind of message this version does not know]
date-line = { $weekday }, { $day } { $month } { $year }
date = { $day } { $month } { $year }
weekday-1 = Monday
weekday-2 = Tuesday
weekday-3 = Wednesday
weekday-4 = Thursday
weekday-5 = Friday
weekday-6 = Saturday
weekday-7 = Sunday
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December

# Add
add-title = Add a person or a door
add-line = Paste an invitation (KARVON:…), a door (KARVON-DOOR:…) or a link
add-name = Name for this person, if you want another than their own
add-help =
    An invitation works once, for one person. Whoever reads it can use it:
    better shown face to face than sent. A door is an address through which
    this device reaches the network.
add-busy = Adding…
add-empty = Paste a line first.

# Groups
role-member = member
role-admin = admin
role-owner = owner
group-title = Group
group-members =
    { $n ->
        [one] { $n } member
       *[other] { $n } members
    }
group-you = you: { $role }
group-joining = You accepted. A device of theirs has to take you in now.
group-out = You are not in this group any more.
group-deaf = A member's keys can not be read here: others are asked, messages come late.
group-founded = The group is there. Whoever accepts the invitation is in.
group-joined = Accepted. It opens when a device of theirs has taken you in.
group-asked-in = Asked. It opens when the device of who made the link takes you in.
group-invited = Somebody invites you into a group: ^K, Requests of strangers.
group-asked = They are invited. Whoever accepts is in.
group-name-missing = Write a name for the group first.
group-nobody-picked = First pick somebody, with the space bar or a tap.
group-delivered = { $n } of { $of } delivered
group-add = Invite people
group-link = A link for somebody who is no contact
group-link-title = Link to the group
group-say-note = It lets one person in, and makes you contacts.
group-rename = Change its name
group-timer-note =
    From now on, for everybody here. All are told. What was seen or kept
    before is not brought back.
group-mute = Muted: nothing rings here
group-leave = Leave the group
group-new-name = New name, for all members:
group-leave-sure =
    Leave { $name }? You read nothing more of it, and only an admin can
    bring you back. Enter leaves, Esc does not.
group-remove-sure =
    Remove { $name } from the group? They can read nothing that is written
    from now on. Enter removes, Esc does not.
group-role-sure =
    New role of { $name }: { $role }. Admins invite and remove people,
    owners give roles. Enter does it, Esc does not.
group-invites = { $name } invites you into the group { $group } ({ $n })
group-invites-note =
    a accepts, d declines. Members see the names of all others, also of
    people they do not know.
act-role-admin = Make admin
act-role-member = Make ordinary member
act-role-owner = Make owner
act-remove = Remove from the group
member-me = you
member-unconfirmed = not confirmed, added by { $name }
member-forked = two messages under one number
member-nothing = There is nothing to do here: it is you, or your role does not allow it.
gather-title = Make a group
gather-add-title = Invite into the group
gather-name = Name of the group
gather-people = Who is invited? The space bar picks.
gather-nobody =
    Nobody can be invited: only contacts who have answered and are not in it
    yet.

# Channels
channel-title = Channel
channel-new-title = Make a channel
channel-link-title = Link of the channel
channel-unnamed = (no entry yet)
channel-read-only = read only: its owner writes
channel-mine = your channel
channel-name = Name of the channel
channel-name-missing = Write a name for the channel first.
channel-new-note =
    You alone write, and whoever has the link reads. Its key is
    on this device and in your backups only.
channel-founded = The channel is there. ^D shows its link for your readers.
channel-followed = Followed. Entries come when a relay has been asked.
channel-asking = A relay is being asked for older entries…
channel-no-older = No relay has older entries.
channel-link = Show its link
channel-older = Ask for older entries
channel-leave = Follow it no more
channel-leave-own = Give the channel up
channel-leave-sure =
    Follow { $name } no more? Its entries are removed from this device.
    Enter does it, Esc does not.
channel-leave-own-sure =
    Give { $name } up? Its key is destroyed, and nobody can ever write to it
    again. Enter does it, Esc does not.
channel-say-line = Send this line to those who may read:
channel-say-note = Whoever has this line can read everything and pass it on.
channel-entries = Entries on this device: { $n }
channel-under-way = not at relays yet: { $n }
channel-missing = Missing entries: { $n }
channel-forked = Beware: the owner told different people different things.
channel-withheld = Relays that kept entries back: { $n }
channel-hidden = Nobody learns that you read; a relay knows only that somebody does.

# Own invitation
invite-title = My invitation
invite-making = Making an invitation…
invite-once = For one person, until { $date }.
invite-say = Let them photograph the square, or send them this line:
invite-say-line = Let one person copy this line, or send it to them:
invite-behind =
    All your doors are behind transports, and an invitation does not say
    how to go by one: give a door as well.
invite-unverified = Sent by text, it may be read on the way: compare words later, in a call.

# Find
find-title = Find a person or a command
find-none = Nothing found. Erase some letters.
find-search = Search messages for: { $text }
search-title = Search in all messages
search-start = Write a word. Both alphabets and letters without marks are found as well.
search-busy = Searching…
search-none = No message has these words.
search-more = There are more: write another word to narrow it down.
forward-title = Forward to
menu-title = What to do with this message
act-info = Its way and state
act-copy = Copy its text
act-forward = Forward it to a person or a group
act-reply = Answer it
act-react = Put a sign on it
act-edit = Change its text
act-delete = Take it back, on both devices
act-save = Save the file
act-add = Add this person
react-title = Which sign?
react-none = Take my sign back
delete-title = Take this message back?
delete-sure =
    Their device is asked to remove it as well. It may have been read or
    copied already.
replying = answer to: { $text }
editing = changing a message; Esc leaves it as it was
message-deleted = [taken back]
message-edited = changed
message-forwarded = forwarded
message-copied = from the channel { $name }, signed by its owner
message-copied-unknown = signed by a channel that calls itself { $name } (key { $key })
message-copied-forged = an entry of a channel that its owner did not sign
message-earlier = an earlier message
message-file = [file] { $name }, { $size }
message-introduces = [introduces { $name }: Enter, then a, adds this person]
message-timer = from here on messages disappear after { $time }
message-timer-off = from here on messages are kept
message-missing = { $n } of their messages never came
typing = is typing…
disappears = disappears after { $time }
blocked = blocked
keys-changed =
    { $name } uses a new device, or somebody pretends to be them. Call them
    and compare the number (^D). Until then nothing is sent.
time-minutes = { $n } min
time-hours = { $n } h
time-days = { $n } d

# Message
info-title = Message
info-from = From { $name }
info-written = Written { $date }
info-arrived = Arrived on this device { $date }
info-waiting = Reading its way…
info-way = Its way
info-group-queued = on this device's disk, on its way to the members
info-group-delivered = on the disk of everybody it was for
info-author-only = Only its author learns who has it.
info-too-many = In a group this large nobody learns who has it.
trail-queued = written to this device's disk
trail-sent = handed to relay { $relay }
trail-stored = relay { $relay } has it on disk until { $date }
trail-near = handed to their device over the same Wi-Fi
trail-carried = handed to a neighbour on the Wi-Fi, who carries it on
trail-refused = relay { $relay } did not take it ({ $note }); the next try comes by itself
trail-delivered = on the disk of the other side's device
trail-read = seen by the other side
trail-other = { $what }
details-title = About the contact
details-connected = Keys were exchanged.
details-looking-up =
    The invitation is being looked up. This may take hours if their device
    is off.
details-greeting = The first message is under way; it waits for their device.
details-asking = The request needs some work of this device before their relays take it.
details-waiting = The request is at their relays. Nothing says whether they have seen it.
details-verified = You compared the keys: it is this person.
details-unverified = Keys are not compared yet. Before you write what is dangerous, compare them.
details-key = Fingerprint of their key:
details-number =
    Safety number: the same on both devices. Compare it face to face or in a
    call.
details-rename = Name on this device
details-same = Compared: the number is the same
details-receipts = They may see what I have read
details-typing = They may see that I type
details-timer = Messages disappear after
details-never = never
details-block = Blocked: nothing of theirs shown
details-timer-note =
    From now on, for both. They are told. What was seen or delivered before
    the time is over is not brought back.
compare-how = Meet { $name } or call them: their screen must show this same number.
compare-then =
    Is every digit the same? Then press Enter. Otherwise Esc: somebody may
    be reading along.
details-accept = Accept their new, compared keys
file-too-long = This file is too large: one message carries 45 kB. Choose a smaller one.
file-empty = The file is empty.
file-none = Nothing here has these letters.
file-title = Send a file
file-path =
    Where the file lies (at most 45 kB). What a picture tells about place
    and device is removed.
wipe-title = Wipe everything
wipe-sure =
    Keys, messages and contacts on this device are destroyed at once.
    Without a backup nothing can be brought back. To do it, write: { $word }
wipe-word = wipe
details-name = New name, on this device only:
settings-title = Settings
settings-note = A change is saved at once.
settings-unsaved = This could not be saved. It holds until you quit.
set-lang = Language
set-theme = Colours
set-glyphs = Signs
set-mouse = Mouse and taps
set-notify = Notification
set-bell = Bell
value-dark = for a dark screen
value-light = for a light screen
value-mono = none
value-on = on
value-off = off
value-count = only how many
value-name = name and how many
requests-title = Requests
requests-empty = Nobody asks. ^K, Published address makes a line to post in public.
request-came = Somebody asks for a conversation: ^K, Requests of strangers.
request-unnamed = (no name)
wifi-title = Same Wi-Fi
wifi-say = Contacts on one Wi-Fi deliver to each other without internet.
wifi-carry = They carry sealed messages for friends who are not here.
wifi-note = Others there see that somebody uses Karvon, but not who.
wifi-none = This device is on no local network.
wifi-near = Here now: { $names }
address-title = Published address
address-busy = Asking the relays…
address-none = Only people you invite reach you.
address-none-note =
    With n you make a line that anybody may have: whoever has it can ask you
    for a conversation, and you answer or not. It does not say who you are,
    but posting it tells that you use Karvon.
address-say = Whoever has this line can ask you for a conversation:
address-note =
    You answer under Requests of strangers. The line stays the same until you
    end it.
address-new-sure = A new line ends the old one: press n once more.
address-end-sure = Nobody will reach you by this line any more: press e once more.
doctor-title = Doctor
doctor-words = In words
doctor-no-door =
    This device knows no door to the network. Ask a person you trust for a
    door line or an invitation, then press ^N.
netcheck-no-door =
    This device knows no door to the network. Ask a person you trust for a
    door line, then run `karvon door add`; with an invitation `karvon add`.
doctor-connecting =
    No door answers. Is there internet on this device? If other sites open,
    the doors are down or blocked: ask for another one. Messages wait safely
    and leave by themselves.
doctor-connected =
    A door is open, but no mailbox answers yet. Usually this takes seconds.
    What you write waits safely.
doctor-online =
    Everything works: what you write leaves at once, and what others write
    arrives.
doctor-one-operator =
    All mailboxes belong to one operator, who sees your address and when you
    are online (never what you write). More doors, from other people, change
    that.
doctor-doors = Doors: { $up } of { $n } open
doctor-up = open
doctor-down = does not answer
doctor-mailboxes = Mailboxes: { $up } of { $n } answer
doctor-waiting = Own messages: { $queued } on this device, { $stored } at relays
doctor-traffic = Data since the start: { $in } received, { $out } sent
doctor-data = Data today on this network: { $used }
doctor-data-capped = Data today on this network: { $used } of { $cap } ({ $percent } %)
data-saving = 80 % of today's data is used: upkeep, files and channels wait
data-texts = 95 % of today's data is used: receipts wait too, texts go on
data-spent = Today's data is used up: messages wait until { $time }. karvon data more
netcheck-testing = Testing your doors, up to ten seconds…
netcheck-works = A door is open: messages can travel now.
netcheck-no-internet =
    No internet on this device. Messages wait safely. A file carried by hand
    still works: karvon bundle export.
netcheck-plain-cut =
    This network cuts plain doors at their first word; a web door is open,
    and messages travel through it.
netcheck-freeze =
    This network cuts long connections. Karvon sends in small pieces: text
    travels, large files take long.
netcheck-approved-only =
    Connections open, but the first word vanishes at doors in different
    networks: it seems that only approved sites open here. Try another
    network, a proxy, or a file carried by hand: karvon bundle export.
netcheck-approved-or-singled =
    Connections open, but the first word vanishes. Either only approved
    sites open on this network, or these doors are recognised and silenced.
    Another network or another door, best a web door, shows which.
netcheck-clock =
    This device's clock and the relays' differ by about { $off }
    (hours:minutes); most likely this one is wrong. Set the clock: else
    doors may not open and messages carry wrong times.
netcheck-clock-or-certificate =
    The certificate of the door's site is out of date. Either this device's
    clock is wrong, or the site's keeper must renew it.
netcheck-proxy-dead =
    Your proxy does not answer. Start it, or take it out of the settings
    (network.proxy). Nothing goes around it.
netcheck-proxy-blocked =
    Your proxy answers, but no door opens through it. Either the proxy has
    no way out itself, or it may not reach these doors.
netcheck-portal =
    Something else answers in place of the doors. Usually that is a sign-in
    page of this Wi-Fi: open any site in a browser and sign in. If there is
    none, somebody stands in between: use another network.
netcheck-door-ended =
    The door answers, but lets this device in no more. Its keeper ended it,
    or somebody stands in between. Ask your keeper for another door.
netcheck-refused =
    The doors' addresses refuse connections. Either the relays are switched
    off, or this network refuses in their place. Another network shows
    which; else ask for another door.
netcheck-silent =
    No door's address answers. Either these addresses are blocked here, the
    relays are off, or the line behind your router is dead. If other sites
    open, ask for another door.
netcheck-plain-only =
    This network recognises plain doors and cuts them at their first word.
    Ask for a web door.
netcheck-counted =
    Doors that were open minutes ago are silent now. Either this network
    counts connections and makes one wait some minutes, the addresses were
    blocked just now, or the line is dead. Karvon tries again by itself,
    sparingly.
netcheck-counted-open =
    Doors were silent for a while and are open again. If it happens often,
    this network counts connections; Karvon opens few.
netcheck-slow =
    A door is open, but this line is very slow. Text travels; files may take
    long.
netcheck-breaks =
    Connections open and break off or stall before the relay answers. Either
    the line is very bad or this network disturbs them. Karvon tries again
    by itself.
netcheck-mixed = No door opens, each for a reason of its own: see below.
netcheck-version =
    The relay speaks another version of Karvon. The older of the two
    programs must be updated.
netcheck-undecided =
    It could not be told in this time. Test again in a minute: connections
    are being saved.
netcheck-transport =
    The transport that leads to the door does not bring a connection about.
    What is wrong with it stands below, with the door.
netcheck-unknown =
    Karvon found { $code }, for which this version has no words.
netcheck-took = Test { $code }: { $ms } ms, { $kb } kB
netcheck-frozen = { $n } cut while bytes were under way
netcheck-saving = connections are saved here
netcheck-report-note =
    This would be in the file, and nothing else. Press r once more to save
    it.
netcheck-at-open = open, { $ms } ms
netcheck-at-quiet = connected, does not answer now
netcheck-at-spare = spare, not tested
netcheck-at-waiting = waits for its turn
netcheck-at-no-route = no way there
netcheck-at-connect-silent = address does not answer
netcheck-at-connect-refused = refuses connections
netcheck-at-hello-silent = first word gets no answer
netcheck-at-hello-cut = cut at the first word
netcheck-at-foreign = something else answers
netcheck-at-certificate-date = certificate out of date
netcheck-at-not-let-in = lets this device in no more
netcheck-at-wrong-relay = another relay answers
netcheck-at-version = another version
netcheck-at-broke = breaks off after opening
netcheck-at-proxy-gone = proxy does not answer
netcheck-at-proxy-refused = proxy does not get there
netcheck-at-past-proxy = plain: not used with a proxy
netcheck-at-transport = transport gives no connection
lock-title = locked
lock-passphrase = Passphrase
lock-busy = Checking…
lock-note = After a wrong try the next one takes longer. Nothing is erased.

# Help
help-title = Help
help-everywhere = Everywhere
help-chat = Conversation
help-message = Chosen message
help-signs = Signs
help-find = find a person or a command
help-unread = next unread conversation
help-find-all = search in all messages
help-settings = settings
help-doctor = doctor: why does it not connect?
help-lock = lock now
help-add = add a person, a door or a channel
help-invite = show my invitation
help-back = back; from the top, the menu
help-help = this help
help-quit = quit
help-send = send
help-newline = new line
help-pane = other pane
help-scroll = older and newer messages
help-ends = first and newest message
help-editor = write in $EDITOR
help-details = about this contact, group or channel
help-file = send a file
help-erase = erase the line
help-select = choose a message
help-info = its way and state
help-copy = copy its text
help-forward = forward its text
help-reply = answer, sign, change, take back
help-actions = all that can be done with it
help-groups =
    Groups and channels: ^K makes one; ^D shows its members or its link, and
    how to leave.
help-reader =
    With a screen reader: karvon read --follow prints line by line, karvon
    send writes.
help-layouts = ^ means Ctrl. Keys work in Cyrillic layouts too: ^Л is ^K.
sign-queued = on this device's disk, will be sent; survives a power cut
sign-stored = relays say they have it on disk
sign-delivered = on the disk of the other side's device
sign-read = the other side saw it, if they allow you to know
sign-held = held for a stated reason; the message is kept

# First start
wizard-title = first start
wizard-step-language = language
wizard-step-name = name
wizard-step-lock = lock
wizard-step-connect = connect
language-unreviewed = not yet read by a native speaker
wizard-display = These must look right; otherwise choose plain glyphs with Tab:
wizard-unicode = Unicode
wizard-plain = Plain
wizard-name = The name your contacts see (no phone number, no e-mail)
wizard-name-missing = Write a name: any will do, it can be changed.
wizard-lock = How is this device's copy locked?
wizard-lock-passphrase = My passphrase
wizard-lock-none = None: whoever takes this device reads all
wizard-passphrase = Passphrase that opens this device
wizard-passphrase-again = The same once more
wizard-passphrase-note = Forgotten is lost: nobody can reset it. Six words are better than one.
wizard-passphrase-short = Too short: at least 8 characters, better six words.
wizard-passphrase-differs = The two differ. Type the second one again.
wizard-connect = How do you get connected?
wizard-paste = Paste a door or an invitation
wizard-demo = Demo: try everything alone, without a network
wizard-later = Later: I have neither yet
wizard-later-note =
    A door is an address of a volunteer's relay. It comes with an invitation
    from somebody who uses Karvon, or as a line from somebody who runs a
    relay. Until then you can look around, and nothing is lost.
wizard-unaudited = Karvon is experimental and unaudited.

too-small = Make the window bigger, or use: karvon read

# Errors: what happened and one thing to do
error-unknown = That did not work ({ $code }). Try again.
error-invite-damaged = The invitation is damaged. Compare it with the original, letter by letter.
error-invite-newer = The invitation was made by a newer Karvon. Update this one first.
error-invite-used =
    This invitation was already used. If that was not you, ask for a new one
    and tell your friend.
error-invite-expired = This invitation is too old. Ask for a new one.
error-invite-own = This is your own invitation. Give it to the person you want to talk to.
error-door-damaged = The door line is damaged. Copy it again, from KARVON-DOOR: to its end.
error-transport-damaged = What stands after pt= is damaged. Copy that line again, whole.
error-transport-unknown = This transport is not known here. Ask for a line with obfs4 or webtunnel.
error-transport-missing =
    The transport's program is not installed. Install it, for example
    obfs4proxy.
error-transport-not-executable = The transport's program may not be run. Make it executable.
error-transport-not-started = The system does not start the transport's program. Install it anew.
error-transport-crashed =
    The transport's program ends by itself. It is started again; if it
    stays so, install another version.
error-transport-slow = The transport's program does not get ready. It is started again by itself.
error-transport-version = The transport's program is too old or too new. Install another version.
error-transport-not-offered =
    The installed program does not have this transport. Install another
    one.
error-transport-proxy =
    The transport's program cannot use your proxy. Turn the proxy off or
    change it.
error-transport-setup = The transport's program cannot be set up. More: karvon door list
error-transport-junk =
    What is installed is no program of a transport. Write the right one
    into the settings file.
error-transport-broken =
    The transport's program broke off. It is tried again; if it stays so,
    install another version.
error-transport-line =
    The transport refuses the door's line. Compare what stands after pt=
    with the original.
error-transport-server =
    The transport's server does not answer. Try another network, or ask
    for another line.
error-transport-unanswered = Nothing answers through the transport. Try another network or door.
error-transport-behind = The transport works, but the door behind it does not open. Tell its keeper.
error-no-such-contact = Nobody in your contacts has this name. Choose one from the list.
error-ambiguous = Several contacts match. Write more of the name.
error-no-such-message = This message is no longer here. Go back and choose another.
error-too-long = The text is too long for one message. Send it in parts.
error-not-yours = Only the author can change or take back a message.
error-unchangeable = This message has no text that could be changed or passed on.
error-empty = There is nothing to send. Write something first.
error-limit = A limit is reached. Remove something first.
error-no-door = There is no door to the network yet. Add one with ^N.
error-request-too-long = A first text to a published address has up to 280 bytes. Write less.
error-no-such-request = There is no such request any more.
error-no-mailbox = No relay keeps a mailbox for you yet. Wait for the connection and try again.
error-busy = Busy. Try again in a moment.
error-data-cap = Most of today's data is used: files wait. See karvon data more
error-store = The disk of this device failed. Free space or check it, then start again.
error-locked = The profile is locked. Open it with its passphrase.
error-wrong-passphrase = The passphrase is wrong. Check the keyboard layout and type it again.
error-wait =
    Too many wrong passphrases. Wait a while, then try again. Nothing is
    erased.
error-no-passphrase =
    This profile has no passphrase, so it cannot be locked. Set one with:
    karvon passphrase
error-blocked = This contact is blocked. Unblock them first (^D).
error-key-changed =
    Their keys changed. Compare the safety number, then accept the new keys
    (^D).
error-not-connected = Their first answer has not come yet. Wait for it.
error-io = The file cannot be read or written. Check its name and place.
error-picture =
    This picture cannot be cleaned of hidden data, so it is not sent. Save
    it anew as JPEG.
error-closed = The node stopped before it answered. Start Karvon again.
error-unavailable = This cannot be done now. Try again later.
error-version = The running node is of another version. Stop it with: karvon down
error-bad-request = The node did not understand. Update Karvon, then try again.
error-no-such-group = This group is not here any more.
error-no-such-channel = This channel is not here any more.
error-no-such-member = This member is not in the group any more. Look at the members again.
error-not-member = You are not in this group, so this cannot be done.
error-not-allowed = Your role in the group does not allow this. Ask an admin.
error-already-member = This person is in the group already.
error-link-damaged = The link is damaged. Copy it again, from KARVON-CHANNEL: to its end.
error-link-newer = The link was made by a newer Karvon. Update this one first.
