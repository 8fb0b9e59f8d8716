//! The arguments in the body of a call: one, or those of many items of a map.

use crate::frame::{Body, take_item};

/// The items of a call, one after the other.
pub(crate) enum Arguments<'a> {
    /// The argument of a single call, until it is taken.
    One(Option<Body<'a>>),
    /// Those that are left of many.
    Many(&'a [u8]),
}

impl<'a> Arguments<'a> {
    /// Those in the body of a call.
    pub(crate) fn of(body: Body<'a>) -> Self {
        match body {
            Body::Items(bytes) => Self::Many(bytes),
            single => Self::One(Some(single)),
        }
    }

    /// True when none is left.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::One(body) => body.is_none(),
            Self::Many(bytes) => bytes.is_empty(),
        }
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Option<Body<'a>> {
        match self {
            Self::One(body) => body.take(),
            Self::Many(bytes) => take_item(bytes).map(Body::Inline),
        }
    }
}
