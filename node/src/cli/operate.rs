//! What an operator asks of a relay that runs: status, limits, doors, drain.

use super::{config_error, print_json};
use clap::{Args, Subcommand};
use karvon_node::api::ApiError;
use karvon_node::api::error::{IO, NOT_RUNNING};
use karvon_node::relay::config::RelayConfig;
use karvon_node::relay::control::{self, Ask};
use karvon_node::relay::keys::KEYS;
use karvon_node::relay::status;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Status {
    /// The relay's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Limits {
    /// The relay's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// The key to change, like traffic.month
    #[arg(requires = "value")]
    key: Option<String>,
    /// Its new value, like "500 GiB"
    value: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Door {
    /// Makes a door for a group of people and prints its line: a secret between you and them
    New(Doors),
    /// Lists the slots of the doors made here
    List(Doors),
    /// Notes that a door was found blocked: after two times those who have it from there bring in nobody new
    Blocked(Blocked),
    /// Ends a door, the guest doors that came from it, and the links that use them
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Doors {
    /// The relay's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// One JSON value
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Blocked {
    /// Its slot, as `door list` shows it
    slot: String,
    /// It was a mistake: once less
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    doors: Doors,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Its slot, as `door list` shows it
    slot: String,
    #[command(flatten)]
    doors: Doors,
}

#[derive(Debug, Args)]
pub(super) struct Drain {
    /// The relay's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Takes new things again
    #[arg(long)]
    undo: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Asks the running relay.
pub(super) fn ask(data_dir: &Path, ask: &Ask) -> Result<Value, ApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ApiError::new(IO, error.to_string()))?;
    runtime.block_on(control::ask(data_dir, ask))
}

pub(super) fn status(arguments: &Status) -> Result<ExitCode, ApiError> {
    let value = ask(&arguments.data_dir, &Ask::Status)?;
    if arguments.json {
        print_json(&value);
    } else {
        let status: status::Status = serde_json::from_value(value).map_err(config_error)?;
        print!("{}", status.screen());
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn limits(arguments: &Limits) -> Result<ExitCode, ApiError> {
    let data_dir = &arguments.data_dir;
    let (Some(key), Some(value)) = (&arguments.key, &arguments.value) else {
        return show_limits(data_dir, arguments.json);
    };
    RelayConfig::set_in_file(data_dir, key, value).map_err(config_error)?;
    let running = match ask(data_dir, &Ask::Reload) {
        Ok(answer) => Some(answer),
        Err(error) if error.code == NOT_RUNNING => None,
        Err(error) => return Err(error),
    };
    let late = running.as_ref().and_then(|answer| answer["needs_restart"].as_array().map(Vec::len));
    if arguments.json {
        print_json(&json!({ "key": key, "value": value, "running": running }));
    } else {
        println!(
            "{}",
            match late {
                None => format!("{key} is {value} from the relay's next start on."),
                Some(0) => format!("{key} is {value} from now on."),
                Some(_) => format!("{key} is {value} once the relay is started again."),
            }
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn show_limits(data_dir: &Path, json: bool) -> Result<ExitCode, ApiError> {
    let config = RelayConfig::load(data_dir).map_err(config_error)?;
    if json {
        let all = KEYS.iter().map(|key| (key.name.to_owned(), Value::from(config.text(key)))).collect();
        print_json(&Value::Object(all));
        return Ok(ExitCode::SUCCESS);
    }
    for key in KEYS.iter().filter(|key| !key.name.starts_with("relay.")) {
        let value = config.text(key);
        let default = key.default(config.profile());
        let mark = if value == default { String::new() } else { format!(" (default {default})") };
        println!("{:<32} {value}{mark}\n    {}", key.name, key.meaning);
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn door(arguments: &Door) -> Result<ExitCode, ApiError> {
    match arguments {
        Door::New(doors) => {
            let made = ask(&doors.data_dir, &Ask::NewDoor)?;
            if doors.json {
                print_json(&made);
            } else {
                println!("{}", made["door"].as_str().unwrap_or_default());
            }
        }
        Door::List(doors) => {
            let list = ask(&doors.data_dir, &Ask::Doors)?;
            if doors.json {
                print_json(&list);
            } else {
                for door in list.as_array().into_iter().flatten() {
                    let slot = door["slot"].as_str().unwrap_or_default();
                    let blocked = match door["blocked"].as_u64().unwrap_or_default() {
                        0 => String::new(),
                        times => format!("  blocked {times} times"),
                    };
                    println!("{slot}  {} guest doors{blocked}", door["guests"]);
                }
            }
        }
        Door::Blocked(found) => {
            let (slot, undo) = (found.slot.clone(), found.undo);
            let answer = ask(&found.doors.data_dir, &Ask::DoorBlocked { slot, undo })?;
            if found.doors.json {
                print_json(&answer);
            } else {
                let times = answer["blocked"].as_u64().unwrap_or_default();
                let then = if times < 2 { "" } else { " Those who have it from there bring in nobody new." };
                println!("Noted: blocked {times} times.{then}");
            }
        }
        Door::Revoke(revoke) => {
            let answer = ask(&revoke.doors.data_dir, &Ask::RevokeDoor { slot: revoke.slot.clone() })?;
            if revoke.doors.json {
                print_json(&answer);
            } else {
                println!("The door is shut, and so are those that came from it.");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn drain(arguments: &Drain) -> Result<ExitCode, ApiError> {
    let on = !arguments.undo;
    ask(&arguments.data_dir, &Ask::Drain { on })?;
    let status = ask(&arguments.data_dir, &Ask::Status)?;
    if arguments.json {
        print_json(&json!({ "draining": on, "cells": status["cells"] }));
    } else if on {
        println!(
            "Nothing new is taken; {} cells wait for their owners. At 0 the relay can be switched off without any loss.",
            status["cells"]
        );
    } else {
        println!("The relay takes new things again.");
    }
    Ok(ExitCode::SUCCESS)
}
