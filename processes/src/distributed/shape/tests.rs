//! Each pair of types differs in one thing, which is seen.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};

use super::shape_of;

/// Declares types of the same names in two modules, and says whether their shapes are the same.
macro_rules! same {
    ({ $($one:item)* } { $($other:item)* }) => {{
        mod one {
            use super::*;
            $(#[derive(Deserialize)] $one)*
            pub(super) fn shape() -> u64 {
                shape_of::<T>()
            }
        }
        mod other {
            use super::*;
            $(#[derive(Deserialize)] $other)*
            pub(super) fn shape() -> u64 {
                shape_of::<T>()
            }
        }
        one::shape() == other::shape()
    }};
}

fn equal<A: DeserializeOwned, B: DeserializeOwned>() -> bool {
    shape_of::<A>() == shape_of::<B>()
}

#[test]
fn a_type_has_the_shape_that_it_has() {
    assert!(same!({ struct T { a: u32, b: Vec<String> } } { struct T { a: u32, b: Vec<String> } }));
    assert!(same!({ enum T { A, B(u8), C { x: i64 } } } { enum T { A, B(u8), C { x: i64 } } }));
    assert!(equal::<HashMap<String, u8>, BTreeMap<String, u8>>(), "they are encoded alike");
    assert!(equal::<Box<u8>, u8>());
}

#[test]
fn a_change_of_a_field_is_seen() {
    assert!(!same!({ struct T { a: u32 } } { struct T { a: u64 } }), "its type");
    assert!(!same!({ struct T { a: u32 } } { struct T { b: u32 } }), "its name");
    assert!(!same!({ struct T { a: u32 } } { struct T { a: u32, b: u32 } }), "one more");
    assert!(!same!({ struct T { a: u32, b: u32 } } { struct T { b: u32, a: u32 } }), "the order");
    assert!(!same!({ struct T(u32, u8); } { struct T(u32, i8); }));
    assert!(!same!({ struct T(u32); } { struct T(i32); }));
    assert!(!equal::<(u8, u16), (u16, u8)>());
    assert!(!equal::<[u8; 3], [u8; 4]>());
    assert!(!equal::<Option<u8>, u8>());
    assert!(!equal::<Vec<u8>, Vec<i8>>());
    assert!(!equal::<HashMap<u8, u8>, HashMap<u8, i8>>());
}

#[test]
fn a_change_deep_inside_is_seen() {
    assert!(!same!(
        { struct T { a: Vec<Option<(u8, Inner)>> } struct Inner { x: [f32; 2] } }
        { struct T { a: Vec<Option<(u8, Inner)>> } struct Inner { x: [f64; 2] } }
    ));
    assert!(!same!(
        { struct T { a: NonZeroU32, b: bool } }
        { struct T { a: NonZeroU32, b: char } }
    ));
}

/// Two enums in one place.
type Pair<A, B> = (Result<u8, A>, Result<u8, B>);

#[test]
fn a_change_of_any_variant_is_seen_in_any_place() {
    assert!(!same!({ enum T { A, B } } { enum T { A, B, C } }));
    assert!(!same!({ enum T { A, B } } { enum T { B, A } }));
    assert!(!same!({ enum T { A, B(u8) } } { enum T { A, B(i8) } }));
    assert!(!same!({ enum T { A, B { x: u8 } } } { enum T { A, B { y: u8 } } }));
    assert!(!equal::<Result<Result<u8, u16>, u32>, Result<Result<u8, i16>, u32>>());
    assert!(!equal::<Result<u32, Result<u8, u16>>, Result<u32, Result<u8, i16>>>());
    assert!(!equal::<Pair<u8, Result<u8, u16>>, Pair<u8, Result<u8, i16>>>(), "the second of two");
    assert!(!same!(
        { struct T { a: Vec<Kind> } enum Kind { A(u8), B(Deep) } enum Deep { A, B, C(u16) } }
        { struct T { a: Vec<Kind> } enum Kind { A(u8), B(Deep) } enum Deep { A, B, C(i16) } }
    ));
}

#[test]
fn types_that_contain_themselves_come_to_an_end() {
    assert!(!same!(
        { struct T { left: Option<Box<T>>, right: Option<Box<T>>, children: Vec<T>, leaf: u8 } }
        { struct T { left: Option<Box<T>>, right: Option<Box<T>>, children: Vec<T>, leaf: i8 } }
    ));
    assert!(!same!(
        { enum T { Add(Box<T>, Box<T>), Neg(Box<T>), All(Vec<T>), Leaf(u8) } }
        { enum T { Add(Box<T>, Box<T>), Neg(Box<T>), All(Vec<T>), Leaf(i8) } }
    ));
    // Nobody can decode it, but its shape can be asked for.
    assert!(!same!({ struct T { me: Box<T>, x: u8 } } { struct T { me: Box<T>, y: u8 } }));
}

/// Takes no value that is made up.
struct Picky;

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        assert!(text.len() > 10, "it panics, too");
        Ok(Self)
    }
}

#[test]
fn what_comes_after_a_value_that_is_refused_is_not_seen() {
    assert!(same!({ struct T { a: Picky, b: u8 } } { struct T { a: Picky, b: i8 } }));
    assert!(!same!({ struct T { b: u8, a: Picky } } { struct T { b: i8, a: Picky } }));
}
