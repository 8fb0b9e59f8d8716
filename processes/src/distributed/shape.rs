//! What a type looks like to those that encode and decode it.
//!
//! A type says what it consists of only while it is decoded. So it is decoded from made-up values, and
//! what it asks for is noted: numbers of which width, structs of which name and fields, and so on, to
//! any depth. The notes become a hash, which is the same on all machines.
//!
//! - An enum shows one variant at a time. So there are many *runs*, in each of which every enum shows
//!   the variant whose turn it is, until all were seen in every place. A place is which enum of a
//!   variant's content it is: so there are finitely many, also when types contain themselves.
//! - Of a type that contains itself, what is optional ends with the third one inside of another, and an
//!   enum shows a variant that does not contain it, once one is known.
//! - A type may refuse a made-up value (1, `"1"`, true). What would come after is then not seen, nor what is
//!   behind `deserialize_any`; both are the same on all machines that have the same type.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer,
    MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::task::Fnv;

/// The most steps, of all runs together; a type with more is seen in part, the same on all machines.
const MAX_STEPS: u32 = 200_000;

/// The deepest nesting.
const MAX_DEPTH: usize = 128;

/// How often a type may be inside of itself before what is optional ends.
const MAX_INSIDE: usize = 2;

/// A hash of what the type consists of.
pub(super) fn shape_of<T: DeserializeOwned>() -> u64 {
    let mut notes = Notes::default();
    loop {
        notes.begin_run();
        let steps = notes.steps;
        // What a type makes of made-up values is its own affair, and it may panic over them.
        let run = catch_unwind(AssertUnwindSafe(|| T::deserialize(Probe(&mut notes)).is_ok()));
        notes.note(match run {
            Ok(true) => "whole",
            Ok(false) => "refused",
            Err(_panic) => "panicked",
        });
        if notes.has_seen_all() || notes.steps >= MAX_STEPS || notes.steps == steps {
            return notes.hash.finish();
        }
    }
}

/// What was seen.
#[derive(Default)]
struct Notes {
    /// Of everything, in order.
    hash: Fnv,
    /// Steps so far.
    steps: u32,
    /// Enums by place: whose turn it is, of how many variants.
    turns: HashMap<u64, (u32, u32)>,
    /// Enums in any place: how often each was met, and a variant that has none of the kind inside.
    met: HashMap<u64, (u32, Option<u32>)>,
    /// The structs and enums around what is decoded now.
    around: Vec<(&'static str, &'static [&'static str])>,
    /// The variant around it.
    variant: u64,
    /// How many enums that has had.
    enums: u32,
}

impl Notes {
    /// Begins with the outermost type.
    fn begin_run(&mut self) {
        self.around.clear();
        (self.variant, self.enums) = (0, 0);
        self.note("run");
    }

    /// Notes a word.
    fn note(&mut self, word: &str) {
        self.hash.part(word.as_bytes());
    }

    /// One more thing is decoded.
    fn step(&mut self, what: &str) -> Result<(), Refused> {
        self.note(what);
        self.steps += 1;
        if self.steps >= MAX_STEPS || self.around.len() >= MAX_DEPTH {
            Err(Refused)
        } else {
            Ok(())
        }
    }

    /// Notes a number.
    fn number(&mut self, n: usize) {
        self.hash.part(&(n as u64).to_le_bytes());
    }

    /// Goes into something with a name and fields, or variants.
    fn enter(&mut self, name: &'static str, parts: &'static [&'static str]) {
        self.note(name);
        self.number(parts.len());
        for part in parts {
            self.note(part);
        }
        self.around.push((name, parts));
    }

    /// Comes out of that again.
    fn leave(&mut self) {
        self.around.pop();
        self.note("end");
    }

    /// Whether what is optional has to end.
    fn ends(&self) -> bool {
        let Some(inner) = self.around.last() else { return false };
        self.around.iter().filter(|outer| *outer == inner).count() > MAX_INSIDE
    }

    /// Which variant of an enum, which has so many, it is now.
    fn turn(&mut self, which: u64, variants: usize) -> u32 {
        let mut place = Fnv::default();
        place.part(&which.to_le_bytes());
        place.part(&self.variant.to_le_bytes());
        place.part(&self.enums.to_le_bytes());
        self.enums += 1;
        if let Some(&(_met, Some(last))) = self.met.get(&which)
            && self.ends()
        {
            return last;
        }
        let count = u32::try_from(variants).unwrap_or(u32::MAX);
        let (next, _count) = self.turns.entry(place.finish()).or_insert((0, count));
        let turn = *next % count;
        *next += 1;
        turn
    }

    /// Whether all variants were seen in all places.
    fn has_seen_all(&self) -> bool {
        self.turns.values().all(|(next, count)| next >= count)
    }
}

/// Decodes made-up values.
struct Probe<'a>(&'a mut Notes);

/// The value was refused.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value was made up")
    }
}

impl std::error::Error for Refused {}

impl Error for Refused {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

/// Methods for values without parts.
macro_rules! plain {
    ($($method:ident $visit:ident $value:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.0.step(stringify!($method))?;
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Refused;

    plain! {
        deserialize_bool visit_bool true;
        deserialize_i8 visit_i8 1;
        deserialize_i16 visit_i16 1;
        deserialize_i32 visit_i32 1;
        deserialize_i64 visit_i64 1;
        deserialize_i128 visit_i128 1;
        deserialize_u8 visit_u8 1;
        deserialize_u16 visit_u16 1;
        deserialize_u32 visit_u32 1;
        deserialize_u64 visit_u64 1;
        deserialize_u128 visit_u128 1;
        deserialize_f32 visit_f32 1.0;
        deserialize_f64 visit_f64 1.0;
        deserialize_char visit_char '1';
        deserialize_str visit_str "1";
        deserialize_string visit_string "1".to_owned();
        deserialize_bytes visit_bytes b"1";
        deserialize_byte_buf visit_byte_buf b"1".to_vec();
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Refused> {
        self.0.step("any")?;
        Err(Refused)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.0.step("option")?;
        if self.0.ends() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.0.step("unit")?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.0.step("unit struct")?;
        self.0.note(name);
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.0.step("newtype")?;
        self.0.enter(name, &[]);
        let value = visitor.visit_newtype_struct(Probe(self.0))?;
        self.0.leave();
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.0.step("seq")?;
        let left = usize::from(!self.0.ends());
        self.parts(left, |parts| visitor.visit_seq(parts))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.0.step("tuple")?;
        self.0.number(length);
        self.parts(length, |parts| visitor.visit_seq(parts))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.0.step("tuple struct")?;
        self.0.enter(name, &[]);
        self.0.number(length);
        let value = Probe(self.0).parts(length, |parts| visitor.visit_seq(parts))?;
        self.0.leave();
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.0.step("map")?;
        let left = usize::from(!self.0.ends());
        self.parts(left, |parts| visitor.visit_map(parts))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.0.step("struct")?;
        self.0.enter(name, fields);
        let value = Probe(self.0).parts(fields.len(), |parts| visitor.visit_seq(parts))?;
        self.0.leave();
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.0.step("enum")?;
        self.0.enter(name, variants);
        if variants.is_empty() {
            return Err(Refused);
        }
        let mut which = Fnv::default();
        for word in std::iter::once(&name).chain(variants) {
            which.part(word.as_bytes());
        }
        let which = which.finish();
        let turn = self.0.turn(which, variants.len());
        let met = &mut self.0.met.entry(which).or_default().0;
        *met += 1;
        let before = *met;
        let outer = (self.0.variant, self.0.enums);
        let mut inner = Fnv::default();
        for word in [name, variants[turn as usize]] {
            inner.part(word.as_bytes());
        }
        (self.0.variant, self.0.enums) = (inner.finish(), 0);
        self.0.number(turn as usize);
        let value = visitor.visit_enum(Variant { notes: self.0, turn })?;
        (self.0.variant, self.0.enums) = outer;
        let (met, last) = self.0.met.entry(which).or_default();
        if *met == before {
            *last = Some(turn);
        }
        self.0.leave();
        Ok(value)
    }

    forward_to_deserialize_any! { identifier ignored_any }
}

impl Probe<'_> {
    /// Decodes so many parts.
    fn parts<T>(
        self,
        left: usize,
        visit: impl FnOnce(&mut Parts<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        visit(&mut Parts { notes: self.0, left })
    }
}

/// The parts of something.
struct Parts<'a> {
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
struct Variant<'a> {
    /// What was seen.
    notes: &'a mut Notes,
    /// Which one.
    turn: u32,
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

#[cfg(test)]
#[expect(dead_code, reason = "types that are only looked at")]
mod tests;
