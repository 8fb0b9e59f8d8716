//! Bytes that are handed to a worker process.

use common::{
    Handover, Outcome, Output, Parcel,
    lane::{LaneError, Support},
    payload::stamp,
};
use processes::{Buffer, Pool, SharedMem};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// How the pool can hand bytes over.
pub(crate) fn support(mode: Handover) -> Support {
    match mode {
        Handover::Move | Handover::Clone => {
            let why =
                "what another process gets has to be encoded, or to be in shared memory".into();
            Support::No { why }
        }
        Handover::Serde
        | Handover::Bytes
        | Handover::SharedCreate
        | Handover::SharedReuse
        | Handover::Arena => Support::Native,
    }
}

/// Hands the bytes over, one time after another.
pub(crate) fn run(pool: &Pool, parcel: &mut Parcel) -> Result<Outcome, LaneError> {
    let mut outcome = Outcome { units: pool.workers() as u64, ..Outcome::default() };
    let bytes = &mut parcel.bytes;
    let share = |bytes: &[u8]| {
        SharedMem::from_slice(bytes).map_err(|error| LaneError::failed("share memory", error))
    };
    let shared = match parcel.plan.mode {
        Handover::SharedReuse => Some(share(bytes)?),
        _ => None,
    };
    for index in 0..parcel.plan.transfers {
        stamp(bytes, index);
        let call = match (parcel.plan.mode, &shared) {
            (Handover::Serde, _) => pool.submit(read_vec, bytes.clone()),
            (Handover::Bytes, _) => pool.submit(read_bytes, Bytes(bytes.clone())),
            (Handover::SharedCreate, _) => pool.submit(read_shared, share(bytes)?),
            (Handover::SharedReuse, Some(shared)) => {
                shared.write(0, bytes);
                pool.submit(read_shared, shared.clone())
            }
            (Handover::Arena, _) => {
                let place = pool.buffer(bytes.len());
                let mut place = place.map_err(|error| LaneError::failed("get a buffer", error))?;
                place.copy_from_slice(bytes);
                pool.submit(read_buffer, place.freeze())
            }
            (Handover::Move | Handover::Clone | Handover::SharedReuse, _) => {
                return Err(LaneError::Unsupported("bytes do not move between processes".into()));
            }
        };
        outcome.take(index, call.join());
    }
    Ok(outcome)
}

/// Reads what came as a sequence of numbers.
#[expect(clippy::needless_pass_by_value, reason = "a call takes its argument by value")]
fn read_vec(bytes: Vec<u8>) -> Output {
    Parcel::answer(&bytes)
}

/// Reads what came as one piece.
#[expect(clippy::needless_pass_by_value, reason = "a call takes its argument by value")]
fn read_bytes(bytes: Bytes) -> Output {
    Parcel::answer(&bytes.0)
}

/// Reads what lies in the pool's memory.
#[expect(clippy::needless_pass_by_value, reason = "a call takes its argument by value")]
fn read_buffer(bytes: Buffer) -> Output {
    Parcel::answer(&bytes)
}

/// Reads what lies in shared memory.
#[expect(clippy::needless_pass_by_value, reason = "a call takes its argument by value")]
fn read_shared(memory: SharedMem) -> Output {
    memory.with(|bytes| Parcel::answer(bytes))
}

/// Bytes that are encoded as one piece, and not one after another.
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Takes the piece.
        struct Piece;

        impl Visitor<'_> for Piece {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Piece)
    }
}
