//! The screen of Karvon: a model that keeps no truth of its own, a pure update, a pure drawing, and the loop that joins them to a
//! terminal and a running node.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod cli;
pub mod command;
pub mod draw;
pub mod input;
pub mod keymap;
pub mod lang;
pub mod netcheck;
pub mod qr;
pub mod screen;
pub mod session;
pub mod text;
pub mod theme;
