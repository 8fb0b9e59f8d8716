//! Tests of `common` from outside: what it defines has to hold for programs that are not Rust.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod python_host;
