//! What is handed over in `data.payload`: bytes that differ from one to the next, and an answer for
//! which all of them have to be read.

use crate::{Body, Job, Output, Payload, rng::mix};

/// The bytes of a job that hands some over, made once and changed for each.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// What the job says.
    pub plan: Payload,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Parcel {
    /// That of a job; none when it hands nothing over.
    pub fn of(job: &Job) -> Option<Self> {
        let Body::Payload(plan) = &job.body else { return None };
        let length = usize::try_from(plan.bytes).ok()?;
        let words = (0..plan.bytes.div_ceil(8)).flat_map(|word| mix(job.seed ^ word).to_le_bytes());
        Some(Self { plan: *plan, bytes: words.take(length).collect() })
    }

    /// Whoever gets the bytes answers with this, for which it reads all of them.
    pub fn answer(bytes: &[u8]) -> Output {
        let check = u64::from(crc32fast::hash(bytes));
        Output::Word((bytes.len() as u64) << 32 | check)
    }
}

/// Makes bytes those of the transfer `index`.
pub fn stamp(bytes: &mut [u8], index: u64) {
    for (byte, of_index) in bytes.iter_mut().zip(mix(index).to_le_bytes()) {
        *byte = of_index;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Handover;

    #[test]
    fn each_transfer_has_an_answer_of_its_own() {
        for bytes in [1, 8, 64, 1_000] {
            let plan = Payload { mode: Handover::Move, bytes, transfers: 9 };
            let job = Job { seed: 7, body: Body::Payload(plan) };
            let mut parcel = Parcel::of(&job).unwrap();
            assert_eq!(parcel.bytes.len() as u64, bytes);
            let answers: Vec<_> = (0..plan.transfers)
                .map(|index| {
                    stamp(&mut parcel.bytes, index);
                    Parcel::answer(&parcel.bytes)
                })
                .collect();
            assert!(answers.windows(2).all(|pair| pair[0] != pair[1]), "{bytes}: {answers:?}");
            // Also the last byte counts.
            let last = parcel.bytes.last_mut().unwrap();
            *last ^= 1;
            assert_ne!(Parcel::answer(&parcel.bytes), *answers.last().unwrap());
        }
    }
}
