//! The layout of frames: calls go to a worker through a `bytes_channel`, results come back through
//! its ring (see [`crate::results`]).
//!
//! A *frame* to the worker holds one or more calls, never more than [`MAX_FRAME`] bytes, so that
//! it is one datagram: ipc-channel cuts longer messages into fragments, and a peer that dies
//! between two of them is reported wrongly. A frame from the worker holds exactly one result.
//! All numbers are little-endian.
//!
//! ```text
//! call:   slot u16 | sequence u32 | form u8 | function i64 | trampoline i64 | length u32 | body
//! result: length u32 | slot u16 | sequence u32 | kind u8 | body
//! ```
//!
//! The highest bit of the form says that the argument ends with a [list](crate::arena::places) of the
//! buffers that it brings.
//!
//! The body of a call is its encoded argument, or the 16-byte id of a payload that went ahead
//! through the control socket, or where it lies in the [arena](crate::arena) of the pool:
//!
//! ```text
//! offset u64 | length u64
//! ```
//!
//! Or, for a frame of many items of a map, one after the other:
//!
//! ```text
//! item: length u16 | encoded argument
//! ```
//!
//! Where the form says that there are lists, the highest bit of an item's length says whether that item
//! ends with one, of the buffers that it alone brings; an item is shorter than that bit is worth. Each item
//! has a result of its own, in their order, all with the slot and sequence of the call.
//!
//! The length of a result counts what follows it.

use crate::segment::SegmentId;

/// No frame is longer. One ipc-channel fragment is about 200 KiB on Linux; 64 KiB leaves room
/// for systems with a smaller default socket buffer.
pub(crate) const MAX_FRAME: usize = 64 * 1024;

/// Bytes of a call before its body.
pub(crate) const CALL_HEADER: usize = 2 + 4 + 1 + 8 + 8 + 4;

/// Bytes of a result before its body.
pub(crate) const RESULT_HEADER: usize = PREFIX + 2 + 4 + 1;

/// Bytes of a result's length.
const PREFIX: usize = size_of::<u32>();

/// The longest body that travels inside a frame; longer ones go through a sealed memfd.
pub(crate) const MAX_INLINE: usize = MAX_FRAME - CALL_HEADER;

/// The longest encoded argument that may be one item of many. A longer one costs more than its way
/// does, and is sent alone.
pub(crate) const MAX_ITEM: usize = 16 * 1024;

/// Bytes of the body of a call whose argument lies in the arena.
pub(crate) const ARENA_BODY: usize = 2 * size_of::<u64>();

/// Bytes of an item's length.
pub(crate) const ITEM_PREFIX: usize = size_of::<u16>();

/// In the length of an item of a frame with lists: it ends with a list of buffers.
pub(crate) const ITEM_WITH_PLACES: u16 = 1 << 15;

const _: () = assert!(MAX_ITEM < ITEM_WITH_PLACES as usize, "the bit is free");

/// The most items of one call: their index is 16 bits of the claim board's word.
pub(crate) const MAX_ITEMS: u16 = u16::MAX;

/// In the form of a call: its argument ends with a list of buffers.
const WITH_PLACES: u8 = 0x80;

/// Where a call runs and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallHeader {
    /// The slot on the claim board.
    pub(crate) slot: u16,
    /// The sequence number the board holds for this call.
    pub(crate) sequence: u32,
    /// Whether the argument ends with a list of buffers; of many items, whether some do.
    pub(crate) places: bool,
    /// Offset of the user's function.
    pub(crate) function: i64,
    /// Offset of the trampoline that knows the function's types.
    pub(crate) trampoline: i64,
}

/// An encoded value, where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    /// In the frame.
    Inline(&'a [u8]),
    /// In a payload of this id.
    Payload(SegmentId),
    /// Many of them, in the frame; see [`take_item`] and [`take_listed_item`].
    Items(&'a [u8]),
    /// In the pool's arena; nobody has looked whether that is inside.
    Arena {
        /// Where it begins.
        at: u64,
        /// How many bytes it has.
        len: u64,
    },
}

/// Appends a call to a frame.
pub(crate) fn push_call(frame: &mut Vec<u8>, header: &CallHeader, body: Body<'_>) {
    let (id, mut place);
    let (form, bytes) = match body {
        Body::Inline(bytes) => (0, bytes),
        Body::Payload(payload) => {
            id = payload.to_le_bytes();
            (1, id.as_slice())
        }
        Body::Items(bytes) => (2, bytes),
        Body::Arena { at, len } => {
            place = [0; ARENA_BODY];
            place[..8].copy_from_slice(&at.to_le_bytes());
            place[8..].copy_from_slice(&len.to_le_bytes());
            (3, place.as_slice())
        }
    };
    frame.extend_from_slice(&header.slot.to_le_bytes());
    frame.extend_from_slice(&header.sequence.to_le_bytes());
    frame.push(if header.places { form | WITH_PLACES } else { form });
    frame.extend_from_slice(&header.function.to_le_bytes());
    frame.extend_from_slice(&header.trampoline.to_le_bytes());
    let length = u32::try_from(bytes.len()).expect("a body is at most a frame");
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(bytes);
}

/// Takes the first call off a frame, or says that the frame is malformed.
pub(crate) fn take_call<'a>(frame: &mut &'a [u8]) -> Option<(CallHeader, Body<'a>)> {
    let header_slot = u16::from_le_bytes(take(frame)?);
    let sequence = u32::from_le_bytes(take(frame)?);
    let [form] = take(frame)?;
    let places = form & WITH_PLACES != 0;
    let function = i64::from_le_bytes(take(frame)?);
    let trampoline = i64::from_le_bytes(take(frame)?);
    let length = usize::try_from(u32::from_le_bytes(take(frame)?)).ok()?;
    let (body, rest) = frame.split_at_checked(length)?;
    *frame = rest;
    let body = match form & !WITH_PLACES {
        0 => Body::Inline(body),
        1 => Body::Payload(SegmentId::from_le_bytes(body.try_into().ok()?)),
        2 => Body::Items(body),
        3 => {
            let mut rest = body;
            let (at, len) = (take(&mut rest)?, take(&mut rest)?);
            if !rest.is_empty() {
                return None;
            }
            Body::Arena { at: u64::from_le_bytes(at), len: u64::from_le_bytes(len) }
        }
        _ => return None,
    };
    Some((CallHeader { slot: header_slot, sequence, places, function, trampoline }, body))
}

/// Takes the first of several items off `bytes`; none when that is not whole.
pub(crate) fn take_item<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(u16::from_le_bytes(take(bytes)?));
    let (item, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(item)
}

/// As [`take_item`], of a frame with lists: also whether the item ends with one.
pub(crate) fn take_listed_item<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], bool)> {
    let length = u16::from_le_bytes(take(bytes)?);
    let listed = length & ITEM_WITH_PLACES != 0;
    let (item, rest) = bytes.split_at_checked(usize::from(length & !ITEM_WITH_PLACES))?;
    *bytes = rest;
    Some((item, listed))
}

/// What a result frame reports; its number on the wire is its discriminant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The encoded result follows.
    Value = 0,
    /// The result is in the payload whose id follows.
    Payload = 1,
    /// A panic; message and location follow, encoded.
    Panicked = 2,
    /// The argument could not be decoded; the reason follows as text.
    BadArgument = 3,
    /// The result could not be encoded; the reason follows as text.
    BadResult = 4,
    /// The result is above the limit; its size follows as 8 bytes.
    TooLarge = 5,
    /// The call had been taken back and was not executed; nothing follows.
    Skipped = 6,
    /// The result is in the arena of the worker; where follows, see [`crate::arena::lend`].
    Lent = 7,
    /// The worker has no descriptor or no memory left for what went ahead, so nothing was executed; the
    /// reason follows as text.
    Unreceived = 8,
}

impl Kind {
    /// The kind with this number.
    fn from_byte(byte: u8) -> Option<Self> {
        const ALL: [Kind; 9] = [
            Kind::Value,
            Kind::Payload,
            Kind::Panicked,
            Kind::BadArgument,
            Kind::BadResult,
            Kind::TooLarge,
            Kind::Skipped,
            Kind::Lent,
            Kind::Unreceived,
        ];
        ALL.get(usize::from(byte)).copied()
    }
}

/// Starts a result frame in `out`, whose old content is dropped; the body is appended by the
/// caller.
pub(crate) fn start_result(out: &mut Vec<u8>, slot: u16, sequence: u32, kind: Kind) {
    out.clear();
    out.extend_from_slice(&[0; PREFIX]);
    out.extend_from_slice(&slot.to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.push(kind as u8);
}

/// Fills in the prefix of a result frame whose body is complete.
pub(crate) fn finish_result(out: &mut [u8]) {
    let length = out.len() - PREFIX;
    assert!(out.len() <= MAX_FRAME, "a result frame is at most {MAX_FRAME} bytes");
    let length = u32::try_from(length).expect("a result is at most a frame");
    out[..PREFIX].copy_from_slice(&length.to_le_bytes());
}

/// Takes the first of several result frames off `bytes`, without its prefix; none when that is
/// not whole.
pub(crate) fn take_record<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u32::from_le_bytes(take(bytes)?)).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(record)
}

/// Splits a result frame without its length into slot, sequence, kind and body, or says that it is
/// malformed.
pub(crate) fn take_result(mut frame: &[u8]) -> Option<(u16, u32, Kind, &[u8])> {
    let slot = u16::from_le_bytes(take(&mut frame)?);
    let sequence = u32::from_le_bytes(take(&mut frame)?);
    let [kind] = take(&mut frame)?;
    Some((slot, sequence, Kind::from_byte(kind)?, frame))
}

/// Takes `N` bytes off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_follow_each_other_in_a_frame() {
        let one = CallHeader { slot: 1, sequence: 2, places: false, function: -3, trampoline: 4 };
        let two = CallHeader { slot: 5, sequence: 6, places: true, function: 7, trampoline: -8 };
        let mut frame = Vec::new();
        push_call(&mut frame, &one, Body::Inline(b"argument"));
        push_call(&mut frame, &two, Body::Payload(9));
        let place = Body::Arena { at: 1 << 40, len: u64::MAX };
        push_call(&mut frame, &one, place);
        let mut rest = frame.as_slice();
        assert_eq!(take_call(&mut rest), Some((one, Body::Inline(b"argument"))));
        assert_eq!(take_call(&mut rest), Some((two, Body::Payload(9))));
        assert_eq!(take_call(&mut rest), Some((one, place)));
        assert!(rest.is_empty());
        assert_eq!(take_call(&mut rest), None);
    }

    #[test]
    fn items_follow_each_other() {
        let header = CallHeader { slot: 1, sequence: 2, places: false, function: 3, trampoline: 4 };
        let (mut frame, items) = (Vec::new(), b"\x02\0ab\0\0\x01\0c");
        push_call(&mut frame, &header, Body::Items(items));
        let (_header, body) = take_call(&mut frame.as_slice()).unwrap();
        let Body::Items(mut rest) = body else { panic!("{body:?}") };
        let mut found = Vec::new();
        while let Some(item) = take_item(&mut rest) {
            found.push(item);
        }
        assert_eq!(found, [b"ab".as_slice(), b"", b"c"]);
        assert_eq!(take_item(&mut b"\x02\0a".as_slice()), None, "half of one is none");
    }

    #[test]
    fn items_with_lists_say_so() {
        let header = CallHeader { slot: 1, sequence: 2, places: true, function: 3, trampoline: 4 };
        let (mut frame, items) = (Vec::new(), b"\x02\x80ab\0\x80\x01\0c");
        push_call(&mut frame, &header, Body::Items(items));
        let (taken, body) = take_call(&mut frame.as_slice()).unwrap();
        assert_eq!(taken, header);
        let Body::Items(mut rest) = body else { panic!("{body:?}") };
        let mut found = Vec::new();
        while let Some(item) = take_listed_item(&mut rest) {
            found.push(item);
        }
        assert_eq!(found, [(b"ab".as_slice(), true), (b"", true), (b"c", false)]);
        assert!(rest.is_empty());
        for half in [b"\x02\x80a".as_slice(), b"\0", b""] {
            assert_eq!(take_listed_item(&mut &*half), None);
        }
        // Without lists it is a length like any other.
        assert_eq!(take_item(&mut b"\x02\x80ab".as_slice()), None);
    }

    #[test]
    fn every_cut_of_a_frame_is_noticed() {
        let header = CallHeader { slot: 1, sequence: 2, places: false, function: 3, trampoline: 4 };
        let mut frame = Vec::new();
        push_call(&mut frame, &header, Body::Inline(b"x"));
        for length in 0..frame.len() {
            assert_eq!(take_call(&mut &frame[..length]), None);
        }
    }

    #[test]
    fn results_follow_each_other() {
        let (mut frame, mut both) = (Vec::new(), Vec::new());
        let bodies = [vec![7; MAX_INLINE], Vec::new(), vec![1; 3]];
        for (slot, body) in (0..).zip(&bodies) {
            start_result(&mut frame, slot, 9, Kind::Value);
            frame.extend_from_slice(body);
            finish_result(&mut frame);
            both.extend_from_slice(&frame);
        }
        let mut rest = both.as_slice();
        for (slot, body) in (0..).zip(&bodies) {
            let record = take_record(&mut rest).unwrap();
            assert_eq!(take_result(record), Some((slot, 9, Kind::Value, body.as_slice())));
        }
        assert_eq!(take_record(&mut rest), None);
    }

    #[test]
    fn every_cut_of_a_result_is_noticed() {
        let mut frame = Vec::new();
        start_result(&mut frame, 3, 9, Kind::Value);
        finish_result(&mut frame);
        for length in 0..frame.len() {
            assert_eq!(take_record(&mut &frame[..length]), None);
        }
        for length in 0..frame.len() - PREFIX {
            assert_eq!(take_result(&frame[PREFIX..PREFIX + length]), None);
        }
    }

    #[test]
    fn kinds_keep_their_numbers() {
        for kind in 0..9_u8 {
            assert_eq!(Kind::from_byte(kind).unwrap() as u8, kind);
        }
        assert_eq!(Kind::from_byte(9), None);
    }
}
