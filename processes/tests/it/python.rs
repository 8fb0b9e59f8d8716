//! Cases of CPython's tests that have no other place here; see PYTHON.md.

use std::panic::{AssertUnwindSafe, catch_unwind};

use processes::{JoinError, Pool, Queue, Receiver, Sender, channel_with_bytes, spawn};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{BOUND, gated, gates, soon, wait_until};

/// What happens when a value is encoded or decoded in a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Fine,
    Abort,
    Exit,
    Panic,
}

impl Way {
    /// Does it.
    fn go(self) {
        match self {
            Self::Fine => {}
            Self::Abort => std::process::abort(),
            Self::Exit => std::process::exit(7),
            Self::Panic => panic!("in the codec"),
        }
    }
}

/// An argument that goes this way when it is decoded.
struct Argument(Way);

impl Serialize for Argument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0 as u8)
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        let all = [Way::Fine, Way::Abort, Way::Exit, Way::Panic];
        let way = all.into_iter().find(|&way| way as u8 == number).unwrap();
        way.go();
        Ok(Self(way))
    }
}

/// A result that goes this way when it is encoded.
struct Outcome(Way);

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.go();
        serializer.serialize_u8(0)
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer)?;
        Ok(Self(Way::Fine))
    }
}

/// Whether that is how it should have ended.
fn is_right(way: Way, error: &JoinError) -> bool {
    match way {
        Way::Fine => false,
        Way::Abort => matches!(error, JoinError::WorkerLost { signal: Some(6), .. }),
        Way::Exit => matches!(error, JoinError::WorkerLost { exit_code: Some(7), .. }),
        Way::Panic => {
            matches!(error, JoinError::Panicked { message, .. } if message == "in the codec")
        }
    }
}

#[test]
fn what_happens_in_the_codec_happens_to_one_call() {
    let pool = Pool::new(1).unwrap();
    for way in [Way::Abort, Way::Exit, Way::Panic] {
        let call = pool.submit(|_: Argument| (), Argument(way));
        let behind = pool.submit(|x: u8| x, 1);
        let error = call.join_timeout(BOUND).expect("it resolves").unwrap_err();
        assert!(is_right(way, &error), "argument, {way:?}: {error}");
        assert_eq!(behind.join_timeout(BOUND).expect("it resolves").unwrap(), 1);
        let give: fn(u8) -> Outcome = |number| {
            let all = [Way::Fine, Way::Abort, Way::Exit, Way::Panic];
            Outcome(all.into_iter().find(|&way| way as u8 == number).unwrap())
        };
        let call = pool.submit(give, way as u8);
        let error = match call.join_timeout(BOUND).expect("it resolves") {
            Err(error) => error,
            Ok(Outcome(way)) => panic!("{way:?}"),
        };
        assert!(is_right(way, &error), "result, {way:?}: {error}");
    }
}

/// A result that panics when it is decoded, which the parent does.
struct Trap;

impl Serialize for Trap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("a trap")
    }
}

#[test]
fn a_result_that_panics_in_the_parent_hits_only_who_takes_it() {
    let pool = Pool::new(1).unwrap();
    let call = pool.submit(|()| Trap, ());
    assert!(call.wait_timeout(BOUND));
    assert!(catch_unwind(AssertUnwindSafe(|| call.join().is_ok())).is_err());
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
}

#[test]
fn crashes_with_large_arguments_resolve() {
    let pool = Pool::new(2).unwrap();
    let crash: fn(Vec<u8>) -> usize = |_| std::process::abort();
    let calls: Vec<_> = (0..10).map(|_| pool.submit(crash, vec![1; 1 << 20])).collect();
    for call in calls {
        let error = call.join_timeout(BOUND).expect("it resolves").unwrap_err();
        assert!(matches!(error, JoinError::WorkerLost { .. }), "{error}");
    }
    assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
}

#[test]
fn a_worker_that_fails_after_the_end_has_begun() {
    let (entered, gate) = gates();
    let pool = Pool::new(2).unwrap();
    let crash: fn((Queue<u32>, Queue<u32>)) -> u32 = |gates| {
        gated(gates);
        std::process::abort()
    };
    let call = pool.submit(crash, (entered.clone(), gate.clone()));
    let behind: Vec<_> = (0..100_u32).map(|x| pool.submit(|x| x, x)).collect();
    soon(&entered);
    let ends = std::thread::spawn(move || pool.shutdown());
    gate.put(1).unwrap();
    assert!(matches!(
        call.join_timeout(BOUND).expect("it resolves"),
        Err(JoinError::WorkerLost { .. })
    ));
    wait_until("the pool has ended", || ends.is_finished());
    assert!(behind.into_iter().map(|call| call.join().unwrap()).eq(0..100));
}

/// Sends back what it receives.
fn give_back((receive, back): (Receiver<Vec<u8>>, Sender<Vec<u8>>)) {
    receive.iter().for_each(|bytes| back.send(bytes.unwrap()).unwrap());
}

#[test]
fn sixteen_mebibytes_through_a_channel() {
    let (send, receive) = channel_with_bytes::<Vec<u8>>(2, 17 << 20).unwrap();
    let (back, echo) = channel_with_bytes::<Vec<u8>>(2, 17 << 20).unwrap();
    let call = spawn(give_back, (receive, back)).unwrap();
    let bytes: Vec<u8> = (0..16 << 20).map(|x: u32| x.to_le_bytes()[1]).collect();
    send.send(bytes.clone()).unwrap();
    assert!(echo.recv_timeout(BOUND).unwrap() == bytes);
    drop(send);
    call.join_timeout(BOUND).expect("it ends").unwrap();
    for (n, bytes) in [(0, 1), (1, 0)] {
        let error = channel_with_bytes::<u8>(n, bytes).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}
