//! Values that do not travel.

use processes::{JoinError, Pool, Side};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ended;

/// Fails to encode, to decode, or neither.
#[derive(Debug, PartialEq)]
enum Odd {
    Fine,
    NoEncode,
    NoDecode,
}

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fine => serializer.serialize_u8(0),
            Self::NoEncode => Err(serde::ser::Error::custom("it does not want to go")),
            Self::NoDecode => serializer.serialize_u8(1),
        }
    }
}

impl<'de> Deserialize<'de> for Odd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self::Fine),
            _ => Err(serde::de::Error::custom("it does not want to come")),
        }
    }
}

#[test]
fn the_codec_fails_one_call_and_says_where() {
    let pool = Pool::new(1).unwrap();
    let pid = ended(pool.submit(|()| std::process::id(), ())).unwrap();
    let take: fn(Odd) = |_odd| ();
    let give: fn(u8) -> Odd = |which| if which == 0 { Odd::NoEncode } else { Odd::NoDecode };
    let error = ended(pool.submit(take, Odd::NoEncode)).unwrap_err();
    assert!(
        matches!(&error, JoinError::Encode { side: Side::Parent, message, .. }
            if message == "it does not want to go"),
        "{error}"
    );
    let error = ended(pool.submit(take, Odd::NoDecode)).unwrap_err();
    assert!(
        matches!(&error, JoinError::Decode { side: Side::Worker, message, .. }
            if message == "it does not want to come"),
        "{error}"
    );
    let error = ended(pool.submit(give, 0)).unwrap_err();
    assert!(matches!(&error, JoinError::Encode { side: Side::Worker, .. }), "{error}");
    let error = ended(pool.submit(give, 1)).unwrap_err();
    assert!(matches!(&error, JoinError::Decode { side: Side::Parent, .. }), "{error}");
    ended(pool.submit(take, Odd::Fine)).unwrap();
    assert_eq!(ended(pool.submit(|()| std::process::id(), ())).unwrap(), pid, "it survived");
}
