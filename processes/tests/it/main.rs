//! Integration tests, one module for each theme; the three models share the modules' names.

mod smoke;
