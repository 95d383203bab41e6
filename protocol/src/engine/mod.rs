//! A person's messenger: contacts, sessions, outbox, inbox, routes and mailboxes behind one dispatcher.

pub mod api;
