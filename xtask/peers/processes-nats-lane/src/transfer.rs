//! Bytes that are handed to a worker through the broker.

use common::{
    Handover, Outcome, Parcel,
    lane::{LaneError, Support},
    payload::stamp,
};
use processes::Pool;
use serde_bytes::ByteBuf;

use crate::tasks::{read_bytes, read_vec};

/// How the pool can hand bytes over; `None`: it can.
pub(crate) fn objection(mode: Handover) -> Option<Support> {
    let why = match mode {
        Handover::Serde | Handover::Bytes => return None,
        Handover::Move | Handover::Clone => "what another process gets has to be encoded",
        Handover::SharedCreate | Handover::SharedReuse | Handover::Arena => {
            "machines do not share memory"
        }
    };
    Some(Support::No { why: why.into() })
}

/// Hands the bytes over, one time after another.
pub(crate) fn run(pool: &Pool, parcel: &mut Parcel) -> Result<Outcome, LaneError> {
    let mut outcome = Outcome { units: pool.workers() as u64, ..Outcome::default() };
    for index in 0..parcel.plan.transfers {
        stamp(&mut parcel.bytes, index);
        let bytes = parcel.bytes.clone();
        let call = match parcel.plan.mode {
            Handover::Serde => pool.submit(read_vec, bytes),
            Handover::Bytes => pool.submit(read_bytes, ByteBuf::from(bytes)),
            _ => return Err(LaneError::Unsupported("machines share nothing".into())),
        };
        outcome.take(index, call.join());
    }
    Ok(outcome)
}
