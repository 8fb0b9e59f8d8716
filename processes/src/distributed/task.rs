//! Functions with names that mean the same on every machine.

use std::collections::HashMap;
use std::sync::LazyLock;

use linkme::distributed_slice;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Code;

use super::shape::shape_of;

/// Declares a function that can be called on other machines, under a name that it has there.
///
/// The function is an ordinary one: it can be called directly, and given to any pool. It takes one
/// argument, a name or a tuple of names, and is not generic. Its name for other machines is its path
/// (`program::module::function`), or the text that comes before it; where client and nodes are different
/// programs, give one, or declare the function in a library that both use.
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
/// processes::task! {
///     "images.rotate" version 3 =>
///     fn rotate((width, height): (u32, u32)) -> (u32, u32) {
///         (height, width)
///     }
/// }
///
/// assert_eq!((square(3), shrink((4, 2)), rotate((4, 2))), (9, (2, 1), (2, 4)));
/// ```
///
/// # Programs of different ages
///
/// While new programs replace old ones, clients and nodes may know a function of one name with different
/// types. A node executes a call only when its *schema* is the same as the client's; otherwise the call is
/// offered to other nodes, and is [`NotServed`](crate::JoinError::NotServed) when none has taken it for
/// [`Cluster::patience`](crate::Cluster::patience). The schema is a hash of:
/// - the name of the function, and its version (`version 3 =>` or `"name" version 3 =>`; otherwise 0),
/// - the names of its types, without their modules,
/// - what these consist of, as serde sees it, to any depth: names and order of fields and variants, widths
///   of numbers, lengths of arrays, what is optional, what is a list or a map.
///
/// It does **not** see: what a function does with its argument; what comes, in a struct, tuple or variant, after
/// a value whose type decodes neither 1, `"1"` nor `true`; what a type does with the numbers
/// and texts it consists of (a unit of measure, a format); limits of values. When such a thing changes,
/// change the version. To find out what types consist of, they are decoded once from made-up values when
/// a program first connects; a panic over such a value is caught, but the panic hook sees it.
#[macro_export]
macro_rules! task {
    ($name:literal version $version:literal => $($function:tt)+) => {
        $crate::task! { @ [$name] [$version] $($function)+ }
    };
    ($name:literal => $($function:tt)+) => {
        $crate::task! { @ [$name] [0] $($function)+ }
    };
    (version $version:literal => $($function:tt)+) => {
        $crate::task! { @ [] [$version] $($function)+ }
    };
    (@ [$($name:literal)?] [$version:literal] $(#[$meta:meta])* $vis:vis fn $function:ident($argument:tt: $A:ty $(,)?) $body:block) => {
        $crate::task! {
            @ [$($name)?] [$version] $(#[$meta])* $vis fn $function($argument: $A) -> () $body
        }
    };
    (@ [$($name:literal)?] [$version:literal] $(#[$meta:meta])* $vis:vis fn $function:ident($argument:tt: $A:ty $(,)?) -> $R:ty $body:block) => {
        $(#[$meta])*
        // One copy with an address of its own: by that it is recognised.
        #[inline(never)]
        $vis fn $function(argument: $A) -> $R {
            // Here nothing else has the name of the function yet; the argument may have it.
            #[$crate::distributed::linkme::distributed_slice($crate::distributed::TASKS)]
            #[linkme(crate = $crate::distributed::linkme)]
            static TASK: $crate::distributed::Task = $crate::distributed::Task::new(
                $crate::task!(@name $function $($name)?),
                $version,
                || $crate::distributed::Task::resolve::<$A, $R>($function),
            );
            fn __executed($argument: $A) -> $R $body
            TASK.keep_apart();
            __executed(argument)
        }
    };
    (@name $function:ident) => { ::core::concat!(::core::module_path!(), "::", ::core::stringify!($function)) };
    (@name $function:ident $name:literal) => { $name };
    ($($function:tt)+) => {
        $crate::task! { @ [] [0] $($function)+ }
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
    /// Its version; part of the schema.
    version: u32,
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
    /// What those consist of.
    shapes: [u64; 2],
}

impl Task {
    /// For the macro.
    pub const fn new(name: &'static str, version: u32, resolve: fn() -> Resolution) -> Self {
        Self { name, version, resolve }
    }

    /// For the macro.
    pub fn resolve<A, R>(function: fn(A) -> R) -> Resolution
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let code = Code::of(function).map_err(|error| error.to_string());
        let types = [std::any::type_name::<A>(), std::any::type_name::<R>()];
        Resolution { code, types, shapes: [shape_of::<A>(), shape_of::<R>()] }
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
    /// What has to be the same on both sides, see [`schema_of`].
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
            let resolution = (task.resolve)();
            let schema = schema_of(task.name, task.version, &resolution);
            let code = match resolution.code {
                Ok(code) => code,
                Err(why) => {
                    registry.wrong = Some(format!("{}: {why}", task.name));
                    continue;
                }
            };
            let named = Named { name: task.name, schema, code };
            registry.functions.insert(code.function, named);
            if registry.names.insert(task.name, named).is_some() {
                registry.wrong = Some(format!("two functions have the name {}", task.name));
            }
        }
        registry
    }

    /// Refuses to be that of a node if it is empty.
    ///
    /// # Errors
    /// It is.
    pub(crate) fn something(&self) -> Result<(), String> {
        if self.names.is_empty() {
            return Err(
                "this program declares no function with `task!`, or the linker has left out \
                        the library that does (`use library as _;` brings it in)"
                    .to_owned(),
            );
        }
        Ok(())
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

/// What has to be the same where a function is called and where it is executed.
fn schema_of(name: &str, version: u32, function: &Resolution) -> u64 {
    let mut hash = Fnv::default();
    hash.part(name.as_bytes());
    hash.part(&version.to_le_bytes());
    for (name, shape) in function.types.iter().zip(function.shapes) {
        hash.part(without_modules(name).as_bytes());
        hash.part(&shape.to_le_bytes());
    }
    hash.finish()
}

/// The name of a type without those of modules, among which it may move.
fn without_modules(name: &str) -> String {
    let (mut short, mut word) = (String::with_capacity(name.len()), 0);
    for c in name.chars() {
        match c {
            ':' => short.truncate(word),
            c if c.is_alphanumeric() || c == '_' => short.push(c),
            c => {
                short.push(c);
                word = short.len();
            }
        }
    }
    short
}

/// A hash that is the same on all machines (FNV-1a).
#[derive(Clone, Copy, Debug)]
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// One more part, with an end.
    pub(super) fn part(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The hash of all parts.
    pub(super) fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
