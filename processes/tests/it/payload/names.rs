//! The name of a buffer means something in the call that brings it, and nowhere else.

use std::sync::{Mutex, PoisonError};

use processes::{Broadcast, Buffer, JoinError, Pool};

use super::arena::nothing_left;
use super::buffer::{filled, sum};

/// A buffer (or a value that was encoded once) in a format of its own, which its process keeps: what
/// comes later is decoded as what came first.
struct Hoarded<T>(T);

/// What came first.
static FIRST: Mutex<Option<Vec<u8>>> = Mutex::new(None);

impl<T: serde::Serialize> serde::Serialize for Hoarded<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let format = bincode::config::standard();
        let bytes = bincode::serde::encode_to_vec(&self.0, format);
        bytes.map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de, T: serde::de::DeserializeOwned> serde::Deserialize<'de> for Hoarded<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        let first = first.get_or_insert(bytes);
        let decoded = bincode::serde::decode_from_slice(first, bincode::config::standard());
        decoded.map(|(value, _len)| Self(value)).map_err(serde::de::Error::custom)
    }
}

#[test]
fn a_kept_name_is_nothing_to_a_later_call() {
    let pool = Pool::new(1).unwrap();
    let read: fn(Hoarded<Buffer>) -> (u64, bool, u32) = |hoarded| sum(hoarded.0);
    let first = filled(&pool, 1, 20_000);
    let (all, shared, worker) = pool.submit(read, Hoarded(first.clone())).join().unwrap();
    assert_eq!((all, shared), (20_000, true));
    // It brings the same one.
    assert_eq!(pool.submit(read, Hoarded(first.clone())).join().unwrap().0, 20_000);
    let refused = |result: Result<(u64, bool, u32), JoinError>| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("no buffer of this call"), "{error}");
    };
    // The block of the first one is still there, and then it is another buffer's.
    refused(pool.submit(read, Hoarded(filled(&pool, 2, 20_000))).join());
    drop(first);
    nothing_left(&pool);
    let second = filled(&pool, 3, 20_000);
    refused(pool.submit(read, Hoarded(second.clone())).join());
    pool.map(read, [1, 2].map(|_| Hoarded(second.clone()))).for_each(refused);
    assert_eq!(pool.submit(sum, second).join().unwrap(), (60_000, true, worker));
    // The same for what was encoded once.
    let other = Pool::new(1).unwrap();
    let get: fn(Hoarded<Broadcast<u64>>) -> u64 = |hoarded| hoarded.0.get().unwrap();
    assert_eq!(other.submit(get, Hoarded(other.broadcast(&7_u64).unwrap())).join().unwrap(), 7);
    let error = other.submit(get, Hoarded(other.broadcast(&8_u64).unwrap())).join().unwrap_err();
    assert!(error.to_string().contains("no buffer of this call"), "{error}");
}

#[test]
fn an_item_cannot_name_what_another_one_of_its_frame_brings() {
    let pool = Pool::new(1).unwrap();
    let read: fn((u64, Option<Hoarded<Buffer>>)) -> u64 =
        |(x, hoarded)| x + hoarded.map_or(0, |hoarded| sum(hoarded.0).0);
    // By then, frames hold hundreds.
    let warm = 30_000_u64;
    let first = filled(&pool, 1, 10);
    let items = (0..warm + 200).map(|x| {
        let hoarded = match x.checked_sub(warm) {
            None => None,
            Some(n) if n % 2 == 0 => Some(Hoarded(first.clone())),
            Some(_) => Some(Hoarded(filled(&pool, 2, 10))),
        };
        (x, hoarded)
    });
    for (x, result) in (0..).zip(pool.map(read, items)) {
        match (x, result) {
            (x, Ok(read)) if x < warm => assert_eq!(read, x),
            (x, Ok(read)) => assert_eq!((x % 2, read), (0, x + 10)),
            (x, Err(error)) => {
                assert!(x % 2 == 1 && error.to_string().contains("no buffer of this call"), "{x}");
            }
        }
    }
    drop(first);
    nothing_left(&pool);
}

/// Bytes that are decoded as a buffer where they arrive.
struct Raw(Vec<u8>);

impl serde::Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        let format = bincode::config::standard();
        let decoded = bincode::serde::decode_from_slice::<Buffer, _>(&bytes, format);
        decoded.map(|_| Self(bytes)).map_err(serde::de::Error::custom)
    }
}

#[test]
fn a_result_cannot_name_a_buffer() {
    let pool = Pool::new(1).unwrap();
    let bytes = filled(&pool, 1, 20_000);
    let keep: fn(Hoarded<Buffer>) -> Vec<u8> = |_buffer| {
        let first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        first.clone().unwrap()
    };
    let name = pool.submit(keep, Hoarded(bytes.clone())).join().unwrap();
    // Also to one that is a pool's inside of a worker.
    let inside: fn((Buffer, Vec<u8>)) -> String = |(_bytes, name)| {
        let call = Pool::new(1).unwrap().submit(Raw, name);
        call.join().err().map(|error| error.to_string()).unwrap_or_default()
    };
    let said = pool.submit(inside, (bytes, name.clone())).join().unwrap();
    assert!(said.contains("no buffer of this call"), "{said}");
    let error = pool.submit(Raw, name).join().err().unwrap();
    assert!(matches!(&error, JoinError::Decode { .. }), "{error}");
    assert!(error.to_string().contains("no buffer of this call"), "{error}");
}

/// What is decoded from data of its own, as text from elsewhere might be: the name of a buffer.
#[derive(serde::Serialize)]
struct Forged;

impl<'de> serde::Deserialize<'de> for Forged {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::value::{Error, MapAccessDeserializer, MapDeserializer};
        <()>::deserialize(deserializer)?;
        let name = MapDeserializer::<_, Error>::new([("Name", vec![1_u64, 1])].into_iter());
        let buffer = Buffer::deserialize(MapAccessDeserializer::new(name));
        buffer.map(|_read| Self).map_err(serde::de::Error::custom)
    }
}

#[test]
fn data_from_elsewhere_cannot_name_a_buffer() {
    let pool = Pool::new(1).unwrap();
    let secret = filled(&pool, 42, 4_096);
    // Also not one that the call brings.
    for secrets in [Vec::new(), vec![secret.clone()]] {
        let call = pool.submit(|_: (Vec<Buffer>, Forged)| (), (secrets, Forged));
        let error = crate::faults::ended(call).unwrap_err();
        assert!(error.to_string().contains("no buffer of this call"), "{error}");
    }
    let (_sum, shared, _pid) = crate::faults::ended(pool.submit(sum, secret)).unwrap();
    assert!(shared, "a name that came from the pool is one");
}
