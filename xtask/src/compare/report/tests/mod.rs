//! Reports on runs made by hand.

mod files;
mod fixture;
mod flip;
mod shown;
mod words;
