//! How values become bytes: bincode 2 through serde, and nothing else in the crate knows that.
//!
//! bincode's upkeep has ended (RUSTSEC-2025-0141), so another format is a change of this file.

mod bounded;

use std::io::Write;
use std::marker::PhantomData;

use bincode::config::{Configuration, standard};
use bincode::error::{DecodeError, EncodeError};
use bincode::serde::{DecodeError as OfSerdeDecode, EncodeError as OfSerdeEncode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use bounded::{Bounded, Budget};

/// The one configuration: little-endian, integers of variable length.
const CONFIG: Configuration = standard();

/// Appends the encoding of `value` to `out`.
///
/// # Errors
/// The text of whatever the value's `Serialize` reported.
pub(crate) fn encode_into<T: Serialize + ?Sized>(
    value: &T,
    out: &mut impl Write,
) -> Result<(), String> {
    bincode::serde::encode_into_std_write(value, out, CONFIG)
        .map(|_written| ())
        .map_err(encode_reason)
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
/// The bytes do not describe a `T`, or describe one and go on; it is nested too deep, or has too many
/// items without bytes. Whatever they claim to be, no more is
/// allocated than in proportion to their number and to the size of the items of `T`'s collections.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let budget = Budget::new(bytes.len());
    let seed = Bounded::<PhantomData<T>>::seed(&budget);
    let decoded = bincode::serde::seed_decode_from_slice(seed, bytes, CONFIG);
    let (value, read) = decoded.map_err(decode_reason)?;
    if read == bytes.len() {
        Ok(value)
    } else {
        Err(format!("{} bytes are left over after the value", bytes.len() - read))
    }
}

/// Why a value has no encoding, in words: bincode's own `Display` is its `Debug`.
fn encode_reason(error: EncodeError) -> String {
    match error {
        EncodeError::OtherString(reason) => reason,
        EncodeError::Other(reason) => reason.to_owned(),
        EncodeError::Serde(OfSerdeEncode::SequenceMustHaveLength) => {
            "a sequence or map must say its length before its items".to_owned()
        }
        EncodeError::Io { inner, .. } => inner.to_string(),
        other => format!("the format cannot hold the value: {other}"),
    }
}

/// Why bytes are no value, in words.
fn decode_reason(error: DecodeError) -> String {
    match error {
        DecodeError::OtherString(reason) => reason,
        DecodeError::Other(reason) => reason.to_owned(),
        DecodeError::UnexpectedEnd { additional } => {
            format!("the bytes end too early: {additional} more are needed")
        }
        DecodeError::Utf8 { inner } => format!("a text is not UTF-8: {inner}"),
        DecodeError::InvalidBooleanValue(found) => format!("{found} is neither true nor false"),
        DecodeError::Serde(
            OfSerdeDecode::AnyNotSupported
            | OfSerdeDecode::IdentifierNotSupported
            | OfSerdeDecode::IgnoredAnyNotSupported,
        ) => "the format does not describe itself, which this type's `Deserialize` needs \
              (an untagged or internally tagged enum, `flatten`, or a dynamic value)"
            .to_owned(),
        other => format!("the bytes are no such value: {other}"),
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

    #[test]
    fn a_length_that_is_a_lie_allocates_nothing() {
        // As an owned string this aborted the process, or panicked where it exceeds the addresses.
        for claimed in [1_u64 << 40, 1 << 62, u64::MAX] {
            let bytes = encode(&claimed).unwrap();
            assert!(decode::<String>(&bytes).unwrap_err().contains("too early"));
            assert!(decode::<Vec<String>>(&bytes).unwrap_err().contains("too early"));
        }
    }

    #[test]
    fn items_without_bytes_have_an_end() {
        let many = vec![(); bounded::WITHOUT_BYTES];
        assert_eq!(decode::<Vec<()>>(&encode(&many).unwrap()).unwrap().len(), many.len());
        for claimed in [bounded::WITHOUT_BYTES as u64 + 100, 1 << 40, u64::MAX] {
            let bytes = encode(&claimed).unwrap();
            let error = decode::<Vec<()>>(&bytes).unwrap_err();
            assert!(error.contains("items have no bytes"), "{error}");
            // Each of them begins anew.
            let bytes = [[50].as_slice(), &bytes.repeat(50)].concat();
            assert!(decode::<Vec<Vec<[(); 3]>>>(&bytes).unwrap_err().contains("no bytes"));
            let set = decode::<std::collections::BTreeSet<()>>(&encode(&claimed).unwrap());
            assert!(set.unwrap_err().contains("no bytes"));
        }
    }

    /// Nested as deep as one likes.
    #[derive(Debug, Serialize, serde::Deserialize)]
    struct Chain(Option<Box<Chain>>);

    #[test]
    fn nesting_has_an_end_before_the_stack_has() {
        let deep = |levels: usize| {
            let chain = (1..levels / 2).fold(Chain(None), |chain, _| Chain(Some(Box::new(chain))));
            encode(&chain).unwrap()
        };
        // Each link is a structure and an option. A thread with a fourth of the usual stack.
        let small = std::thread::Builder::new().stack_size(512 << 10);
        let decodes = move || {
            assert!(decode::<Chain>(&deep(bounded::MAX_DEPTH.into())).is_ok());
            let error = decode::<Chain>(&deep(usize::from(bounded::MAX_DEPTH) + 4)).unwrap_err();
            assert!(error.contains("nested deeper than 256 levels"), "{error}");
            assert!(decode::<Chain>(&vec![1; 1 << 20]).unwrap_err().contains("nested deeper"));
        };
        small.spawn(decodes).unwrap().join().unwrap();
    }

    #[test]
    fn every_form_of_value_survives_the_trip() {
        #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
        enum Form {
            Unit,
            New(Option<Box<Form>>),
            Tuple(u128, char, f64),
            Struct { map: std::collections::BTreeMap<String, [i16; 2]>, unit: () },
        }
        let map = [("a".to_owned(), [1, -2]), (String::new(), [0; 2])].into();
        let value = vec![
            Form::Unit,
            Form::New(Some(Box::new(Form::New(None)))),
            Form::Tuple(u128::MAX, 'x', 0.5),
            Form::Struct { map, unit: () },
        ];
        assert_eq!(decode::<Vec<Form>>(&encode(&value).unwrap()).unwrap(), value);
    }

    #[test]
    fn reasons_are_in_words() {
        let early = decode::<u8>(&[]).unwrap_err();
        assert_eq!(early, "the bytes end too early: 1 more are needed");
        assert_eq!(decode::<bool>(&[7]).unwrap_err(), "7 is neither true nor false");
        assert!(decode::<String>(&[1, 0xff]).unwrap_err().contains("not UTF-8"));
        // What serde's derived code says travels as it is.
        let variant = decode::<Result<u8, u8>>(&[9]).unwrap_err();
        assert!(variant.contains('9') && !variant.contains("OtherString"), "{variant}");
    }
}
