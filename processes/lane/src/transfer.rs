//! Bytes that are handed to a worker process.

use common::{
    Handover, Outcome, Output, Parcel,
    lane::{LaneError, Support},
    payload::stamp,
};
use processes::{Buffer, Pool, SharedMem};
use serde_bytes::ByteBuf;

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
            (Handover::Bytes, _) => pool.submit(read_bytes, ByteBuf::from(bytes.clone())),
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
fn read_bytes(bytes: ByteBuf) -> Output {
    Parcel::answer(&bytes)
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
