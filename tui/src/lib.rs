//! Karvon for people: the command line, and the screen behind it. Everything true is kept by the node; this only asks and shows.
#![forbid(unsafe_code)]

pub mod cli;
pub mod screen;
pub mod text;
