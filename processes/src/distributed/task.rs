//! Functions with names that mean the same on every machine.

use std::collections::HashMap;
use std::sync::LazyLock;

use linkme::distributed_slice;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Code;

/// Declares a function that can be called on other machines, under a name that it has there.
///
/// The function is an ordinary one: it can be called directly, and given to any pool. It takes one
/// argument, a name or a tuple of names, and is not generic. Its name for other machines is its path (`program::module::function`),
/// or the text that comes before it; where client and nodes are different programs, give one, or
/// declare the function in a library that both use.
///
/// ```
/// processes::task! {
///     /// The square of a number.
///     pub fn square(x: u64) -> u64 {
///         x * x
///     }
/// }
///
/// processes::task! {
///     "images.shrink.v2" =>
///     fn shrink((width, height): (u32, u32)) -> (u32, u32) {
///         (width / 2, height / 2)
///     }
/// }
///
/// assert_eq!((square(3), shrink((4, 2))), (9, (2, 1)));
/// ```
#[macro_export]
macro_rules! task {
    ($(#[$meta:meta])* $vis:vis fn $function:ident($argument:tt: $A:ty $(,)?) $body:block) => {
        $crate::task! { $(#[$meta])* $vis fn $function($argument: $A) -> () $body }
    };
    ($name:literal => $(#[$meta:meta])* $vis:vis fn $function:ident($argument:tt: $A:ty $(,)?) $body:block) => {
        $crate::task! { $name => $(#[$meta])* $vis fn $function($argument: $A) -> () $body }
    };
    ($(#[$meta:meta])* $vis:vis fn $function:ident($argument:tt: $A:ty $(,)?) -> $R:ty $body:block) => {
        $crate::task! {
            @ (concat!(module_path!(), "::", stringify!($function)))
            $(#[$meta])* $vis fn $function($argument: $A) -> $R $body
        }
    };
    ($name:literal => $(#[$meta:meta])* $vis:vis fn $function:ident($argument:tt: $A:ty $(,)?) -> $R:ty $body:block) => {
        $crate::task! { @ ($name) $(#[$meta])* $vis fn $function($argument: $A) -> $R $body }
    };
    (@ ($name:expr) $(#[$meta:meta])* $vis:vis fn $function:ident($argument:tt: $A:ty) -> $R:ty $body:block) => {
        $(#[$meta])*
        // One copy with an address of its own: by that it is recognised.
        #[inline(never)]
        $vis fn $function($argument: $A) -> $R {
            #[$crate::distributed::linkme::distributed_slice($crate::distributed::TASKS)]
            #[linkme(crate = $crate::distributed::linkme)]
            static TASK: $crate::distributed::Task = $crate::distributed::Task::new(
                $name,
                || $crate::distributed::Task::resolve::<$A, $R>($function),
            );
            TASK.keep_apart();
            $body
        }
    };
}

/// All that were declared in this program.
#[doc(hidden)]
#[distributed_slice]
pub static TASKS: [Task];

/// A function that was declared with [`task!`](crate::task).
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// What other machines call it.
    name: &'static str,
    /// Finds the function.
    resolve: fn() -> Resolution,
}

/// What is known of a function in this process.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Resolution {
    /// How a worker finds it, or why it cannot.
    code: Result<Code, String>,
    /// The names of its argument and its result.
    types: [&'static str; 2],
}

impl Task {
    /// For the macro.
    pub const fn new(name: &'static str, resolve: fn() -> Resolution) -> Self {
        Self { name, resolve }
    }

    /// For the macro.
    pub fn resolve<A, R>(function: fn(A) -> R) -> Resolution
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let code = Code::of(function).map_err(|error| error.to_string());
        Resolution { code, types: [std::any::type_name::<A>(), std::any::type_name::<R>()] }
    }

    /// For the macro: two functions that do the same would otherwise be made one.
    #[inline]
    pub fn keep_apart(&'static self) {
        std::hint::black_box(self);
    }
}

/// A function as other machines know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    /// Its name.
    pub(crate) name: &'static str,
    /// A hash of the name and of the names of its types.
    pub(crate) schema: u64,
    /// How a worker finds it.
    pub(crate) code: Code,
}

/// All functions of this program that have a name.
#[derive(Debug)]
pub(crate) struct Registry {
    /// By name.
    names: HashMap<&'static str, Named>,
    /// By the offset of the function.
    functions: HashMap<i64, Named>,
    /// What is wrong with one of them.
    wrong: Option<String>,
}

impl Registry {
    /// That of this program.
    ///
    /// # Errors
    /// Two functions have the same name, or one is in a shared library.
    pub(crate) fn get() -> Result<&'static Self, String> {
        static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::of(&TASKS));
        REGISTRY.wrong.as_ref().map_or(Ok(&*REGISTRY), |wrong| Err(wrong.clone()))
    }

    /// That of these.
    fn of(tasks: &[Task]) -> Self {
        let mut registry = Self { names: HashMap::new(), functions: HashMap::new(), wrong: None };
        for task in tasks {
            let Resolution { code, types } = (task.resolve)();
            let code = match code {
                Ok(code) => code,
                Err(why) => {
                    registry.wrong = Some(format!("{}: {why}", task.name));
                    continue;
                }
            };
            let schema = schema_of(&[task.name, types[0], types[1]]);
            let named = Named { name: task.name, schema, code };
            registry.functions.insert(code.function, named);
            if registry.names.insert(task.name, named).is_some() {
                registry.wrong = Some(format!("two functions have the name {}", task.name));
            }
        }
        registry
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.keys().copied()
    }

    /// The one that others call by this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<Named> {
        self.names.get(name).copied()
    }

    /// The name of what is called with this code.
    pub(crate) fn by_code(&self, code: Code) -> Option<Named> {
        self.functions.get(&code.function).copied()
    }
}

/// A hash that is the same on all machines (FNV-1a), with an end after each part.
fn schema_of(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
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
        let task = Task::new("twice", || Task::resolve::<u64, u64>(one));
        assert!(Registry::of(&[task, task]).wrong.unwrap().contains("the name twice"));
        assert!(Registry::of(&[task]).wrong.is_none());
    }

    #[test]
    fn the_hash_sees_every_part() {
        assert_ne!(schema_of(&["ab", "c"]), schema_of(&["a", "bc"]));
        assert_ne!(schema_of(&["f", "u64", "u64"]), schema_of(&["f", "u64", "u32"]));
    }
}
