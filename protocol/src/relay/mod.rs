//! A volunteer's relay: slots, forwarding, mailboxes and objects behind one dispatcher.

pub mod api;
