//! Integration tests, one module per theme. The three models share the module names.

mod smoke;
