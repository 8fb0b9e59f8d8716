//! Tests of the public API, one module per theme.

mod smoke;
mod support;
