//! Decodes made-up values, and notes what it is asked for.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::forward_to_deserialize_any;

use super::super::task::Fnv;
use super::notes::Notes;
use super::parts::Variant;

/// Decodes made-up values.
pub(super) struct Probe<'a>(pub(super) &'a mut Notes);

/// The value was refused.
#[derive(Debug)]
pub(super) struct Refused;

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
