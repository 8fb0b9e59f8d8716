//! Decoding that allocates no more than the bytes justify.
//!
//! A length comes before what it counts, and bytes that lie about it must not make the decoder
//! allocate so much, which would end the process. bincode 2 allocates owned strings and byte vectors
//! at the length they claim to have before it looks whether so many bytes are there; borrowed ones it
//! checks first. And `Deserialize` of collections trusts a hint of their length, up to a megabyte. So
//! between bincode and the value stands a [`Deserializer`] that asks for the borrowed form and hints
//! at no more items than there are bytes.
//!
//! Items without any bytes, such as `()`, allocate nothing, but a length of 2^64 of them takes a
//! lifetime to count. So all items of a value together are no more than its bytes and
//! [`WITHOUT_BYTES`]. And a value that is nested deeper than [`MAX_DEPTH`] is refused: each level takes
//! some of the stack, whose end is the end of the process.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

/// A value may have so many items that have no bytes.
pub(super) const WITHOUT_BYTES: usize = 1 << 20;

/// Levels of collections, structures, enums and options in each other. Also without optimisation they
/// take less than half of the stack that a thread has.
pub(super) const MAX_DEPTH: u16 = 256;

/// What is left of the bounds of a value.
#[derive(Debug)]
pub(super) struct Budget {
    /// The most items that a collection can have.
    most: usize,
    /// How many items there may still be.
    items: Cell<usize>,
}

impl Budget {
    /// That of a value of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self { most: bytes, items: Cell::new(bytes.saturating_add(WITHOUT_BYTES)) }
    }

    /// One item more.
    #[inline]
    fn spend<E: Error>(&self) -> Result<(), E> {
        match self.items.get().checked_sub(1) {
            Some(left) => {
                self.items.set(left);
                Ok(())
            }
            None => Err(E::custom(format_args!("more than {WITHOUT_BYTES} items have no bytes"))),
        }
    }
}

/// Something of serde's that deserializes or is visited, with what bounds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounded<'b, T> {
    /// What does the work.
    inner: T,
    /// What is left for the whole value.
    budget: &'b Budget,
    /// How many levels are left.
    levels: u16,
}

impl<'b, T> Bounded<'b, PhantomData<T>> {
    /// What decodes a `T` within a budget.
    pub(super) fn seed(budget: &'b Budget) -> Self {
        Self { inner: PhantomData, budget, levels: MAX_DEPTH }
    }
}

impl<'b, T> Bounded<'b, T> {
    /// The same for another part of the work.
    fn with<U>(&self, inner: U) -> Bounded<'b, U> {
        Bounded { inner, budget: self.budget, levels: self.levels }
    }

    /// The same a level deeper.
    fn deeper<U, E: Error>(&self, inner: U) -> Result<Bounded<'b, U>, E> {
        let levels = self.levels.checked_sub(1);
        let too_deep =
            || E::custom(format_args!("the value is nested deeper than {MAX_DEPTH} levels"));
        Ok(Bounded { inner, budget: self.budget, levels: levels.ok_or_else(too_deep)? })
    }

    /// A hint that cannot be too large.
    fn hint(&self, hint: Option<usize>) -> Option<usize> {
        hint.map(|hint| hint.min(self.budget.most))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.with(deserializer);
        self.inner.deserialize(deserializer)
    }
}

/// Methods for values that contain no others.
macro_rules! plain {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

/// Methods for values that contain others, with what else they take.
macro_rules! nested {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.deeper(visitor)?;
            self.inner.$method($($name,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    plain! {
        deserialize_any deserialize_bool deserialize_char deserialize_unit
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_str deserialize_bytes
        deserialize_identifier deserialize_ignored_any
    }

    nested! {
        deserialize_option();
        deserialize_seq();
        deserialize_map();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_bytes(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Bounded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.with(deserializer);
        self.inner.visit_some(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let deserializer = self.with(inner);
        self.inner.visit_newtype_struct(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let items = self.with(items);
        self.inner.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let items = self.with(items);
        self.inner.visit_map(items)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        let variant = self.with(variant);
        self.inner.visit_enum(variant)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.budget.spend()?;
        let seed = self.with(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint(self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.budget.spend()?;
        let seed = self.with(seed);
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.with(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint(self.inner.size_hint())
    }
}

impl<'de, 'b, A: EnumAccess<'de>> EnumAccess<'de> for Bounded<'b, A> {
    type Error = A::Error;
    type Variant = Bounded<'b, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (budget, levels) = (self.budget, self.levels);
        let (name, content) = self.inner.variant_seed(seed)?;
        Ok((name, Bounded { inner: content, budget, levels }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.with(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.with(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.with(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
