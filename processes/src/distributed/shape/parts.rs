//! What has parts, as serde asks for them: sequences, maps, variants.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::notes::Notes;
use super::probe::{Probe, Refused};

impl Probe<'_> {
    /// Decodes so many parts.
    pub(super) fn parts<T>(
        self,
        left: usize,
        visit: impl FnOnce(&mut Parts<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        visit(&mut Parts { notes: self.0, left })
    }
}

/// The parts of something.
pub(super) struct Parts<'a> {
    /// What was seen.
    notes: &'a mut Notes,
    /// How many there are yet.
    left: usize,
}

impl<'de> SeqAccess<'de> for &mut Parts<'_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(Probe(self.notes)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for &mut Parts<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        seed.deserialize(Probe(self.notes))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// A variant of an enum.
pub(super) struct Variant<'a> {
    /// What was seen.
    pub(super) notes: &'a mut Notes,
    /// Which one.
    pub(super) turn: u32,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Refused;
    type Variant = Probe<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Probe<'a>), Refused> {
        let number: U32Deserializer<Refused> = self.turn.into_deserializer();
        Ok((seed.deserialize(number)?, Probe(self.notes)))
    }
}

impl<'de> VariantAccess<'de> for Probe<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        self.0.step("unit variant")
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refused> {
        self.0.step("newtype variant")?;
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_struct("variant", fields, visitor)
    }
}
