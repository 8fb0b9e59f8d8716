//! How values become bytes: bincode 2 through serde, and nothing else in the crate knows that.
//!
//! bincode's upkeep has ended (RUSTSEC-2025-0141), so another format is a change of this file.

use bincode::config::{Configuration, standard};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The one configuration: little-endian, integers of variable length.
const CONFIG: Configuration = standard();

/// Appends the encoding of `value` to `out`.
///
/// # Errors
/// The text of whatever the value's `Serialize` reported.
pub(crate) fn encode_into<T: Serialize + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    bincode::serde::encode_into_std_write(value, out, CONFIG)
        .map(|_written| ())
        .map_err(|error| error.to_string())
}

/// The encoding of `value` in a vector of its own.
///
/// # Errors
/// As [`encode_into`].
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    encode_into(value, &mut out)?;
    Ok(out)
}

/// The value that `bytes` encode, all of them.
///
/// # Errors
/// The bytes do not describe a `T`, or describe one and go on.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let (value, read) =
        bincode::serde::decode_from_slice(bytes, CONFIG).map_err(|error| error.to_string())?;
    if read == bytes.len() {
        Ok(value)
    } else {
        Err(format!("{} bytes are left over after the value", bytes.len() - read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_the_trip() {
        let value = (7_u64, String::from("seven"), vec![Some(1_i8), None]);
        let bytes = encode(&value).unwrap();
        assert_eq!(decode::<(u64, String, Vec<Option<i8>>)>(&bytes).unwrap(), value);
    }

    #[test]
    fn cut_and_overlong_bytes_are_refused() {
        let mut bytes = encode(&(1_u8, String::from("text"))).unwrap();
        assert!(decode::<(u8, String)>(&bytes[..bytes.len() - 1]).is_err());
        bytes.push(0);
        assert!(decode::<(u8, String)>(&bytes).unwrap_err().contains("left over"));
    }
}
