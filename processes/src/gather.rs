//! The results of a map one by one, out of the pieces in which they come.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::error::JoinError;
use crate::frame::{take_record, take_result};
use crate::handle;
use crate::harvest::{Failed, Piece};
use crate::ticket::Outcome;

/// Gives the results of a piece one after the other.
#[derive(Debug)]
pub(crate) struct Gather<R> {
    /// The piece whose turn it is.
    current: Option<Cursor>,
    /// What comes out.
    result: PhantomData<fn() -> R>,
}

/// A place in a piece.
#[derive(Debug)]
enum Cursor {
    /// In result frames, before this byte.
    Values(Vec<u8>, usize),
    /// Before the only result.
    One(Box<Outcome>),
    /// Before so many that failed.
    Failed(Failed),
}

impl<R: DeserializeOwned> Gather<R> {
    /// There is no piece yet.
    pub(crate) fn new() -> Self {
        Self { current: None, result: PhantomData }
    }

    /// Goes on with another piece; the one before has given everything.
    pub(crate) fn turn_to(&mut self, piece: Piece) {
        self.current = Some(match piece {
            Piece::Values(values) => Cursor::Values(values.records, 0),
            Piece::One(_number, outcome) => Cursor::One(outcome),
            Piece::Failed(failed) => Cursor::Failed(failed),
        });
    }

    /// The next result; none when another piece is needed.
    ///
    /// # Panics
    /// If the result's own `Deserialize` panics; the next one comes nevertheless.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Result<R, JoinError>> {
        if let Some(Cursor::Values(records, at)) = &mut self.current {
            let mut rest = &records[*at..];
            if let Some(record) = take_record(&mut rest) {
                *at = records.len() - rest.len();
                return Some(value_of(record));
            }
        }
        self.next_other()
    }

    /// As [`next`](Self::next), where the piece holds no values.
    fn next_other(&mut self) -> Option<Result<R, JoinError>> {
        match self.current.take()? {
            Cursor::Values(..) => None,
            Cursor::One(outcome) => Some(handle::decode(*outcome)),
            Cursor::Failed(mut failed) => {
                failed.count = failed.count.checked_sub(1)?;
                let error = failed.error.clone();
                self.current = Some(Cursor::Failed(failed));
                Some(Err(error))
            }
        }
    }
}

/// The value in a result frame without its length.
#[inline]
fn value_of<R: DeserializeOwned>(record: &[u8]) -> Result<R, JoinError> {
    let body = take_result(record).map_or(&[][..], |(_slot, _sequence, _kind, body)| body);
    handle::decode_bytes(body)
}
