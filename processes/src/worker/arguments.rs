//! The arguments in the body of a call: one, or those of many items of a map.

use crate::frame::{Body, take_item, take_listed_item};

/// The items of a call, one after the other.
pub(crate) enum Arguments<'a> {
    /// The argument of a single call, and whether it ends with a list of buffers; until it is taken.
    One(Option<(Body<'a>, bool)>),
    /// Those that are left of many.
    Many(&'a [u8]),
    /// The same, each of which says whether it ends with a list of buffers.
    Listed(&'a [u8]),
}

impl<'a> Arguments<'a> {
    /// Those in the body of a call, whose header says whether there are lists of buffers.
    pub(crate) fn of(body: Body<'a>, places: bool) -> Self {
        match body {
            Body::Items(bytes) if places => Self::Listed(bytes),
            Body::Items(bytes) => Self::Many(bytes),
            single => Self::One(Some((single, places))),
        }
    }

    /// True when none is left.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::One(body) => body.is_none(),
            Self::Many(bytes) | Self::Listed(bytes) => bytes.is_empty(),
        }
    }

    /// The next one, and whether it ends with a list of buffers.
    pub(crate) fn next(&mut self) -> Option<(Body<'a>, bool)> {
        match self {
            Self::One(body) => body.take(),
            Self::Many(bytes) => take_item(bytes).map(|item| (Body::Inline(item), false)),
            Self::Listed(bytes) => {
                take_listed_item(bytes).map(|(item, listed)| (Body::Inline(item), listed))
            }
        }
    }
}
