//! What the macro makes of functions.

use super::*;

crate::task! {
    fn one(x: u64) -> u64 {
        x + 1
    }
}

crate::task! {
    "tests.same" =>
    fn same_as_one(x: u64) -> u64 {
        x + 1
    }
}

#[test]
fn functions_are_found_by_name_and_by_code() {
    let registry = Registry::get().unwrap();
    let found = registry.by_name("processes::distributed::task::tests::one").unwrap();
    assert_eq!(registry.by_code(Code::of(one).unwrap()).unwrap().name, found.name);
    let other = registry.by_code(Code::of(same_as_one).unwrap()).unwrap();
    assert_eq!(other.name, "tests.same", "equal functions are not taken for each other");
    assert_ne!(found.schema, other.schema);
    let unnamed: fn(u64) -> u64 = |x| x;
    assert!(registry.by_code(Code::of(unnamed).unwrap()).is_none());
    assert_eq!((one(1), same_as_one(2)), (2, 3));
}

#[test]
fn a_name_that_is_used_twice_is_refused() {
    let task = Task::new("twice", 0, || Task::resolve::<u64, u64>(one));
    assert!(Registry::of(&[task, task]).wrong.unwrap().contains("the name twice"));
    assert!(Registry::of(&[task]).wrong.is_none());
}

#[test]
fn the_schema_sees_every_part() {
    let found = |task: Task| Registry::of(&[task]).by_name(task.name).unwrap().schema;
    let task = found(Task::new("f", 0, || Task::resolve::<u64, u64>(one)));
    assert_eq!(task, found(Task::new("f", 0, || Task::resolve::<u64, u64>(same_as_one))));
    assert_ne!(task, found(Task::new("f", 1, || Task::resolve::<u64, u64>(one))));
    assert_ne!(task, found(Task::new("g", 0, || Task::resolve::<u64, u64>(one))));
    assert_ne!(task, found(Task::new("f", 0, || Task::resolve::<u64, u32>(|_| 0))));
    assert_ne!(task, found(Task::new("f", 0, || Task::resolve::<(u64,), u64>(|_| 0))));
}

crate::task! {
    version 7 =>
    /// Has its own name and a version.
    fn versioned(_x: u64) {}
}

crate::task! {
    "tests.versioned" version 8 => fn named_and_versioned(x: u64,) -> u64 { x }
}

#[test]
fn a_version_is_said_before_the_function() {
    let version = |name| TASKS.iter().find(|task| task.name == name).unwrap().version;
    assert_eq!(version("processes::distributed::task::tests::versioned"), 7);
    assert_eq!((version("tests.versioned"), version("tests.same")), (8, 0));
    versioned(1);
    assert_eq!(named_and_versioned(2), 2);
}

crate::task! {
    fn same(same: u64) -> u64 {
        same + 1
    }
}

crate::task! {
    fn argument((argument, _): (u64, u64)) -> u64 {
        argument + 2
    }
}

#[test]
fn an_argument_may_have_the_name_of_the_function() {
    crate::task! {
        fn inner(inner: u64) -> u64 {
            inner + 3
        }
    }
    let registry = Registry::get().unwrap();
    let name = |code| registry.by_code(code).unwrap().name.rsplit(':').next();
    assert_eq!(name(Code::of(same).unwrap()), Some("same"));
    assert_eq!(name(Code::of(argument).unwrap()), Some("argument"));
    assert_eq!(name(Code::of(inner).unwrap()), Some("inner"));
    assert_eq!((same(1), argument((1, 0)), inner(1)), (2, 3, 4));
}

#[test]
fn a_program_without_functions_cannot_be_a_node() {
    let none = Registry::of(&[]).something().unwrap_err();
    assert!(none.contains("declares no function"), "{none}");
    let task = Task::new("one", 0, || Task::resolve::<u64, u64>(one));
    Registry::of(&[task]).something().unwrap();
}

#[test]
fn a_type_may_move_among_modules() {
    for (name, short) in [
        ("u64", "u64"),
        ("alloc::vec::Vec<(a::b_1::Job, [u8; 3])>", "Vec<(Job, [u8; 3])>"),
        ("core::result::Result<(), app::Error>", "Result<(), Error>"),
    ] {
        assert_eq!(without_modules(name), short);
    }
}
