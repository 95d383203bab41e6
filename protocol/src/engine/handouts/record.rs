//! The records of handed-out doors on disk.

use super::{Failing, GAVE_MAX, Guest, Handouts, SLOTS_MAX, Wish, With};
use crate::cbor::{Field, MapWriter, array, bytes, read_map, uint};
use crate::descriptor::SlotKey;
use crate::error::PeerFault;
use crate::handout::{PASSED_MAX, Passed};
use crate::ids::{RelayId, SlotId};
use crate::limits::DOOR_MARKS_MAX;
use zeroize::Zeroizing;

impl With {
    pub(super) fn encode(&self) -> Vec<u8> {
        let passed = self.ledger.passed.iter().map(|held| {
            let times = [u64::from(held.given), held.since_ms, held.lost_ms.map_or(0, |lost| lost.max(1))];
            array(&[bytes(&held.relay.0), uint(times[0]), uint(times[1]), uint(times[2])])
        });
        let guests = self.guests.iter().map(|guest| {
            array(&[
                bytes(&guest.relay.0),
                bytes(&guest.slot.slot.0),
                bytes(&guest.slot.key[..]),
                uint(guest.expiry_s),
                uint(u64::from(guest.told)),
            ])
        });
        let mut map = MapWriter::default();
        map.array(0, &passed.collect::<Vec<_>>())
            .array(1, &guests.collect::<Vec<_>>())
            .uint(2, self.ledger.met_ms)
            .uint(3, self.asked_ms)
            .uint(4, self.asked_seq);
        if let Some(wish) = &self.wish {
            map.bytes(5, wish.has.as_flattened()).uint(6, wish.since_ms);
        }
        map.finish()
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, PeerFault> {
        let mut out = Self::default();
        let (mut has, mut since_ms) = (None, 0);
        read_map(value, |key, field| {
            match key {
                0 => out.ledger.passed = field.array(PASSED_MAX, passed)?,
                1 => out.guests = field.array(SLOTS_MAX, guest)?,
                2 => out.ledger.met_ms = field.uint()?,
                3 => out.asked_ms = field.uint()?,
                4 => out.asked_seq = field.uint()?,
                5 => has = Some(field.bytes(8 * DOOR_MARKS_MAX)?.as_chunks::<8>().0.to_vec()),
                6 => since_ms = field.uint()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        out.wish = has.map(|has| Wish { has, since_ms });
        Ok(out)
    }
}

fn passed(field: &mut Field<'_>) -> Result<Passed, PeerFault> {
    let (mut at, mut relay, mut numbers) = (0, RelayId([0; 16]), [0; 3]);
    field.array(4, |item| {
        match at {
            0 => relay = RelayId(item.fixed()?),
            at => *numbers.get_mut(at - 1).ok_or(PeerFault::Malformed)? = item.uint()?,
        }
        at += 1;
        Ok(())
    })?;
    let [given, since_ms, lost] = numbers;
    Ok(Passed { relay, given: given == 1, since_ms, lost_ms: Some(lost).filter(|lost| *lost != 0) })
}

fn guest(field: &mut Field<'_>) -> Result<Guest, PeerFault> {
    let (mut at, mut relay, mut slot, mut numbers) = (0, RelayId([0; 16]), SlotId([0; 8]), [0; 2]);
    let mut key = Zeroizing::new([0; 32]);
    field.array(5, |item| {
        match at {
            0 => relay = RelayId(item.fixed()?),
            1 => slot = SlotId(item.fixed()?),
            2 => *key = item.fixed()?,
            at => *numbers.get_mut(at - 3).ok_or(PeerFault::Malformed)? = item.uint()?,
        }
        at += 1;
        Ok(())
    })?;
    let [expiry_s, told] = numbers;
    Ok(Guest { relay, slot: SlotKey { slot, key }, expiry_s, told: told == 1, asked_s: 0 })
}

impl Handouts {
    pub(super) fn encode_own(&self) -> Vec<u8> {
        let gave: Vec<_> = self.gave_ms.iter().copied().map(uint).collect();
        let mut map = MapWriter::default();
        map.uint(0, self.since_ms).uint(1, u64::from(self.dark_min)).array(2, &gave);
        map.finish()
    }

    pub(super) fn decode_own(&mut self, value: &[u8]) -> Result<(), PeerFault> {
        read_map(value, |key, field| {
            match key {
                0 => self.since_ms = field.uint()?,
                1 => self.dark_min = u32::try_from(field.uint()?).map_err(|_| PeerFault::Bound)?,
                2 => self.gave_ms = field.array(GAVE_MAX, Field::uint)?,
                _ => return Ok(false),
            }
            Ok(true)
        })
        .map(drop)
    }
}

pub(super) fn of_failing(held: &Failing) -> Vec<u8> {
    MapWriter::default().uint(0, u64::from(held.minutes)).uint(1, held.since_ms).finish()
}

pub(super) fn failing(value: &[u8]) -> Result<Failing, PeerFault> {
    let mut out = Failing::default();
    read_map(value, |key, field| {
        match key {
            0 => out.minutes = u32::try_from(field.uint()?).map_err(|_| PeerFault::Bound)?,
            1 => out.since_ms = field.uint()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handout::Ledger;

    #[test]
    fn records_come_back() {
        let passed = |given, lost_ms| Passed { relay: RelayId([3; 16]), given, since_ms: 1 << 40, lost_ms };
        let with = With {
            ledger: Ledger { passed: vec![passed(true, None), passed(false, Some(1 << 41))], met_ms: 5 },
            guests: vec![Guest {
                relay: RelayId([4; 16]),
                slot: SlotKey { slot: SlotId([5; 8]), key: Zeroizing::new([6; 32]) },
                expiry_s: 7,
                told: true,
                asked_s: 9,
            }],
            asked_ms: 8,
            asked_seq: 9,
            wish: Some(Wish { has: vec![[1; 8], [2; 8]], since_ms: 10 }),
        };
        let again = With::decode(&with.encode()).unwrap();
        assert_eq!((&again.ledger, again.encode()), (&with.ledger, with.encode()));
        let own = Handouts { gave_ms: vec![1, 2], since_ms: 3, dark_min: 4, ..Handouts::default() };
        let mut again = Handouts::default();
        again.decode_own(&own.encode_own()).unwrap();
        assert_eq!(again.encode_own(), own.encode_own());
        let held = Failing { minutes: 30, since_ms: 9 };
        assert_eq!(failing(&of_failing(&held)).map(|held| (held.minutes, held.since_ms)), Ok((30, 9)));
        assert!(With::decode(&[0xa1, 0, 0]).is_err() && failing(&[1]).is_err());
    }
}
