//! The argument of a call that is under way.

use std::sync::Arc;

use crate::call::{Argument, Call};
use crate::items::Items;

use super::super::wire::MAX_INLINE;

/// An encoded argument, or items. Clones share the bytes: they are sent without the lock.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Of a single call.
    One(Arc<Vec<u8>>),
    /// Of a map.
    Items(Items),
}

impl Body {
    /// Takes that of a call; the number of its results stays as it is.
    pub(super) fn of(call: &mut Call) -> Self {
        match &mut call.argument {
            Argument::Inline(bytes) => Self::One(Arc::new(std::mem::take(bytes))),
            Argument::Items(items) => Self::Items(items.clone()),
            Argument::Arena(_) | Argument::Sealed(..) | Argument::Waiting(_) => {
                unreachable!("refused by `submit`")
            }
        }
    }

    /// As the message, or the object, has it.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::One(bytes) => bytes,
            Self::Items(items) => items.bytes(),
        }
    }

    /// How many bytes these are.
    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether it goes through the store.
    pub(super) fn is_stored(&self) -> bool {
        self.len() > MAX_INLINE
    }
}
