//! What is called, as numbers that mean the same in every worker.
//!
//! The *trampoline* is the one function that knows the types: it decodes the argument, calls the
//! function and encodes the result. It is generic, so each pair of types has its own, and both
//! are named by their offset in the program's image (see [`crate::image`]).
//!
//! This is one of the crate's few files with unsafe code: it turns addresses into functions.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arena::Draft;
use crate::arena::places::Places;
use crate::codec;
use crate::error::JoinError;
use crate::image;
use crate::scope;

use super::{Fault, IN_A_LIBRARY, refused};

/// Decodes the argument, runs the function at the address, appends the encoded result.
///
/// # Safety
/// The address must be that of a `fn(A) -> R` for the trampoline's own `A` and `R`.
type Trampoline = unsafe fn(usize, Encoded<'_>, &mut Draft<'_>) -> Result<(), Fault>;

/// An encoded argument, in the process that decodes it.
#[derive(Debug)]
pub(crate) struct Encoded<'a> {
    /// The encoding.
    pub(crate) bytes: &'a [u8],
    /// The buffers that it may name.
    pub(crate) places: Places,
}

impl Encoded<'_> {
    /// The argument itself.
    fn decode<A: DeserializeOwned>(self) -> Result<A, Fault> {
        let decode = || codec::decode(self.bytes);
        match scope::decoding_argument(self.places, decode) {
            (Err(reason), true) => Err(Fault::Unreceived(reason)),
            (decoded, _) => decoded.map_err(Fault::Argument),
        }
    }
}

/// A function and its trampoline, as numbers that mean the same in every worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// Offset of the function.
    pub(crate) function: i64,
    /// Offset of the trampoline.
    pub(crate) trampoline: i64,
}

impl Code {
    /// That of calls of `function`.
    ///
    /// # Errors
    /// The function is not part of the program's image.
    pub(crate) fn of<A, R>(function: fn(A) -> R) -> Result<Self, JoinError>
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        Self::of_addresses(function as usize, trampoline::<A, R> as Trampoline)
    }

    /// That of calls of an initializer.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(super) fn of_initializer<A, E>(function: fn(A) -> Result<(), E>) -> Result<Self, JoinError>
    where
        A: DeserializeOwned,
        E: Display,
    {
        Self::of_addresses(function as usize, initializer::<A, E> as Trampoline)
    }

    /// As numbers.
    fn of_addresses(function: usize, trampoline: Trampoline) -> Result<Self, JoinError> {
        let offset = |address: usize| {
            image::offset_of(address).ok_or_else(|| refused(IN_A_LIBRARY.to_owned()))
        };
        Ok(Self { function: offset(function)?, trampoline: offset(trampoline as usize)? })
    }

    /// The functions themselves, in a worker.
    ///
    /// # Errors
    /// The numbers name no functions of this program.
    pub(crate) fn resolve(self) -> Result<Resolved, Fault> {
        let (function, trampoline) = addresses(self.function, self.trampoline)?;
        // SAFETY: the offsets were made by `Code::of` in a process with the same image fingerprint
        // (the handshake refuses others), so this is the address of some `trampoline::<A, R>`.
        let trampoline = unsafe { std::mem::transmute::<usize, Trampoline>(trampoline) };
        Ok(Resolved { function, trampoline })
    }
}

/// A function and its trampoline, in the process that executes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolved {
    /// Address of the function.
    function: usize,
    /// Knows its types.
    trampoline: Trampoline,
}

impl Resolved {
    /// Executes a call; the encoded result is appended to `out`.
    ///
    /// # Errors
    /// The codec failed on the way in or out.
    ///
    /// # Panics
    /// If the function, or a `Deserialize`, `Serialize` or `Drop` of its types, panics.
    pub(crate) fn run(self, argument: Encoded<'_>, out: &mut Draft<'_>) -> Result<(), Fault> {
        // SAFETY: `Code::of` took the function as `fn(A) -> R` together with that very trampoline.
        unsafe { (self.trampoline)(self.function, argument, out) }
    }
}

/// A function that travels inside of the argument of a call.
#[derive(Debug)]
pub(crate) struct Sent<A, R>(
    /// The function.
    pub(crate) fn(A) -> R,
);

impl<A, R> Serialize for Sent<A, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let offset = image::offset_of(self.0 as usize);
        let offset = offset.ok_or_else(|| serde::ser::Error::custom(IN_A_LIBRARY))?;
        serializer.serialize_i64(offset)
    }
}

/// Only for the argument of a call that this crate makes itself: there, the type is the same on
/// both sides.
impl<'de, A, R> Deserialize<'de> for Sent<A, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let address = image::address_of(i64::deserialize(deserializer)?);
        let outside = || serde::de::Error::custom("no function of this program has that number");
        let address = address.ok_or_else(outside)?;
        // SAFETY: the number was made by `serialize` of the same type, as both sides run the same
        // image, in which the same trampoline decodes what was encoded for it.
        Ok(Self(unsafe { std::mem::transmute::<usize, fn(A) -> R>(address) }))
    }
}

/// The trampoline of one pair of types.
///
/// # Safety
/// `function` must be the address of a `fn(A) -> R`.
unsafe fn trampoline<A, R>(
    function: usize,
    argument: Encoded<'_>,
    out: &mut Draft<'_>,
) -> Result<(), Fault>
where
    A: DeserializeOwned,
    R: Serialize,
{
    // SAFETY: the caller promises that this is the address of a function of exactly this type,
    // and function pointers and `usize` have the same size on every supported platform.
    let function = unsafe { std::mem::transmute::<usize, fn(A) -> R>(function) };
    let result = function(argument.decode()?);
    scope::encoding_result(|| codec::encode_into(&result, out)).map_err(Fault::Result)
}

/// The trampoline of one pair of types of an initializer.
///
/// # Safety
/// `function` must be the address of a `fn(A) -> Result<(), E>`.
unsafe fn initializer<A, E>(
    function: usize,
    argument: Encoded<'_>,
    out: &mut Draft<'_>,
) -> Result<(), Fault>
where
    A: DeserializeOwned,
    E: Display,
{
    // SAFETY: as in `trampoline`.
    let function = unsafe { std::mem::transmute::<usize, fn(A) -> Result<(), E>>(function) };
    let result = function(argument.decode()?).map_err(|error| error.to_string());
    codec::encode_into(&result, out).map_err(Fault::Result)
}

/// The addresses of a function and its trampoline.
///
/// # Errors
/// They are not code of this program.
pub(super) fn addresses(function: i64, trampoline: i64) -> Result<(usize, usize), Fault> {
    let outside = || Fault::Argument("the call names no function of this program".to_owned());
    let function = image::address_of(function).ok_or_else(outside)?;
    Ok((function, image::address_of(trampoline).ok_or_else(outside)?))
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;

    use super::*;
    use crate::error::Side;
    use crate::{Pool, spawn};

    /// A function of the C library, which must not be called: its type is another one. None where that
    /// library is part of the program.
    fn foreign() -> Option<fn(()) -> i32> {
        // SAFETY: the name ends with a zero, and to look it up changes nothing.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"getpid".as_ptr()) };
        if address.is_null() || image::offset_of(address as usize).is_some() {
            println!("skipped: the C library is part of this program");
            return None;
        }
        // SAFETY: it is the address of a function, and nobody calls it.
        Some(unsafe { std::mem::transmute::<*mut c_void, fn(()) -> i32>(address) })
    }

    #[test]
    fn a_function_of_a_shared_library_is_refused_and_the_pool_goes_on() {
        let Some(foreign) = foreign() else { return };
        let pool = Pool::new(1).unwrap();
        let refused = |result: Result<i32, JoinError>| {
            let error = result.unwrap_err();
            let told = matches!(&error, JoinError::Encode { side: Side::Parent, message }
                if message == IN_A_LIBRARY);
            assert!(told, "{error}");
        };
        refused(pool.submit(foreign, ()).join());
        let items = [(); 3];
        assert_eq!(pool.map(foreign, items).map(refused).count(), items.len());
        assert_eq!(pool.map_unordered(foreign, items).map(refused).count(), items.len());
        match spawn(foreign, ()) {
            Ok(process) => refused(process.join()),
            Err(error) => assert!(error.to_string().contains(IN_A_LIBRARY), "{error}"),
        }
        // One inside of an argument that this crate makes is no better.
        assert!(codec::encode(&Sent(foreign)).unwrap_err().contains(IN_A_LIBRARY));
        assert_eq!(pool.submit(|x: u8| x, 1).join().unwrap(), 1);
        assert_eq!((pool.stats().done, pool.stats().lost), (1, 0));
    }
}
