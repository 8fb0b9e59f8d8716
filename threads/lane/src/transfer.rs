//! Bytes that are handed to a worker.

use std::sync::{Arc, Mutex, PoisonError};

use common::{
    Handover, Outcome, Parcel,
    lane::{LaneError, Support},
    payload::stamp,
};
use threads::Pool;

/// How the pool can hand bytes over.
pub(crate) fn support(mode: Handover) -> Support {
    match mode {
        Handover::Serde | Handover::Bytes => {
            let why = "threads share their memory: nothing has to be encoded or sent".into();
            Support::No { why }
        }
        Handover::Arena => {
            let why = "all memory of a thread is memory that the others see".into();
            Support::No { why }
        }
        Handover::Move | Handover::Clone | Handover::SharedCreate | Handover::SharedReuse => {
            Support::Native
        }
    }
}

/// Hands the bytes over, one time after another.
pub(crate) fn run(pool: &Pool, parcel: &mut Parcel) -> Result<Outcome, LaneError> {
    let mut outcome = Outcome { units: pool.workers() as u64, ..Outcome::default() };
    let bytes = &mut parcel.bytes;
    let shared = Arc::new(Mutex::new(Vec::new()));
    if parcel.plan.mode == Handover::SharedReuse {
        lock(&shared).clone_from(bytes);
    }
    for index in 0..parcel.plan.transfers {
        let answer = match parcel.plan.mode {
            Handover::Move => {
                stamp(bytes, index);
                let moved = std::mem::take(bytes);
                let read = |bytes: Vec<u8>| (Parcel::answer(&bytes), bytes);
                pool.submit(read, moved).join().map(|(answer, back)| {
                    *bytes = back;
                    answer
                })
            }
            Handover::Clone => {
                stamp(bytes, index);
                pool.submit(|bytes: Vec<u8>| Parcel::answer(&bytes), bytes.clone()).join()
            }
            Handover::SharedCreate => {
                stamp(bytes, index);
                let fresh: Arc<[u8]> = bytes.as_slice().into();
                pool.submit(|bytes: Arc<[u8]>| Parcel::answer(&bytes), fresh).join()
            }
            Handover::SharedReuse => {
                stamp(&mut lock(&shared), index);
                let read = |bytes: Arc<Mutex<Vec<u8>>>| Parcel::answer(&lock(&bytes));
                pool.submit(read, Arc::clone(&shared)).join()
            }
            Handover::Serde | Handover::Bytes | Handover::Arena => {
                return Err(LaneError::Unsupported("nothing is encoded between threads".into()));
            }
        };
        outcome.take(index, answer);
    }
    Ok(outcome)
}

/// The bytes that both see; nobody panics while it has them.
fn lock(shared: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
