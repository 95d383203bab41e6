//! Bundle files: sealed cells leave in one and come from one, and those of others are carried along (DESIGN N2, SPEC §8).

use super::backend::{Inner, closed};
use super::profile::{absolute, fault};
use crate::api::{ApiError, Response};
use crate::store::bundles::{elsewhere, read, today, write};
use karvon_protocol::bundle_file::{CARRY_DAYS, Carried as Cells, FILE_BYTES_MAX, entry_bytes};
use karvon_protocol::cell::Cell;
use karvon_protocol::engine::api::{Command, ContactId, Reply};
use karvon_protocol::engine::carrier::{CarryCommand, CarryReply};
use std::cmp::Reverse;
use std::time::Duration;

/// Bytes of cells in one file at the most; what it has beside them, and its padding, fits into the rest.
const ROOM: usize = FILE_BYTES_MAX / 16 * 14;
/// Own texts that wait on disk are read in steps; after so many steps what is left goes with the next file.
const PACK_STEPS: usize = 512;
const PACK_PAUSE: Duration = Duration::from_millis(10);
/// Cells handed to the engine at once.
const AT_ONCE: usize = 64;

impl Inner {
    /// Answers [`crate::api::Request::ExportBundle`].
    pub(super) async fn export_bundle(
        &self,
        path: &str,
        only: Option<ContactId>,
    ) -> Result<Response, ApiError> {
        let path = absolute(path, "bundle file")?;
        let waiting = self.pack(only).await?;
        let Reply::Contacts(contacts) = self.command(Command::Contacts).await? else { return Err(closed()) };
        let contacts: Vec<_> = contacts
            .iter()
            .map(|contact| contact.id)
            .filter(|id| only.is_none_or(|only| only == *id))
            .collect();
        let history = self.history.clone();
        let others = self.carry(CarryCommand::All).await?;
        let CarryReply::Rows(mut others) = others else { return Err(closed()) };
        // Those that stay longest find room first.
        others.sort_unstable_by_key(|row| Reverse(row.until_day));
        elsewhere(move || {
            let today = today();
            let (mut room, mut left_out) = (ROOM, 0);
            let mut cells = Vec::new();
            for contact in contacts {
                let (rows, all) = history.under_way(contact, room).map_err(fault)?;
                left_out += u64::from(!all);
                for row in rows {
                    let Ok(cell) = Cell::parse(row.to_vec()) else { continue };
                    room = room.saturating_sub(entry_bytes(cell.class()));
                    cells.push(Cells { cell, until_day: today.saturating_add(CARRY_DAYS) });
                }
            }
            let own = cells.len() as u64;
            if only.is_none() {
                for row in others {
                    let value = history.cell(row.key).map_err(fault)?;
                    let Some(cell) = value.and_then(|value| Cell::parse(value.to_vec()).ok()) else {
                        continue;
                    };
                    if let Some(left) = room.checked_sub(entry_bytes(cell.class())) {
                        room = left;
                        cells.push(Cells { cell, until_day: row.until_day });
                    }
                }
            }
            let all = cells.len() as u64;
            let bytes = write(&path, cells)?;
            Ok(Response::BundleWritten { own, carried: all - own, waiting, left_out, bytes })
        })
        .await
    }

    /// Lets the engine seal what waits, until nothing more finds a place. Returns how many messages found none.
    async fn pack(&self, only: Option<ContactId>) -> Result<u64, ApiError> {
        let (mut waiting, mut stuck) = (u64::MAX, 0);
        for _ in 0..PACK_STEPS {
            let Reply::Packed { waiting: left } = self.command(Command::Pack(only)).await? else {
                return Err(closed());
            };
            stuck = if left < waiting { 0 } else { stuck + 1 };
            waiting = left;
            // A read of the next ones may be on its way.
            if left == 0 || stuck == 5 {
                break;
            }
            tokio::time::sleep(PACK_PAUSE).await;
        }
        Ok(waiting)
    }

    /// Answers [`crate::api::Request::ImportBundle`].
    pub(super) async fn import_bundle(&self, path: &str) -> Result<Response, ApiError> {
        let path = absolute(path, "bundle file")?;
        let cells = elsewhere(move || read(&path)).await?;
        let (mut opened, mut pending, mut known, mut refused) = (0, 0, 0, 0);
        let mut others = Vec::new();
        for some in cells.chunks(AT_ONCE) {
            let given = some.iter().map(|carried| carried.cell.clone()).collect();
            let Reply::Unpacked(done) = self.command(Command::Unpack(given)).await? else {
                return Err(closed());
            };
            opened += u64::from(done.opened);
            pending += u64::from(done.pending);
            known += u64::from(done.known);
            refused += u64::from(done.refused);
            others.extend(done.foreign.iter().filter_map(|place| some.get(*place as usize)).cloned());
        }
        let (mut carried, mut carried_before, mut dropped) = (0, 0, 0);
        for some in others.chunks(AT_ONCE) {
            let take = CarryCommand::Take { cells: some.to_vec(), room: self.room };
            let CarryReply::Taken { carried: more, known, dropped: lost } = self.carry(take).await? else {
                return Err(closed());
            };
            carried += more;
            carried_before += known;
            dropped += lost;
        }
        Ok(Response::BundleTaken { opened, pending, known, refused, carried, carried_before, dropped })
    }

    async fn carry(&self, command: CarryCommand) -> Result<CarryReply, ApiError> {
        match self.command(Command::Carry(command)).await? {
            Reply::Carry(reply) => Ok(reply),
            _ => Err(closed()),
        }
    }
}
