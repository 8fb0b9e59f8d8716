//! Reports on runs made by hand.

mod files;
mod fixture;
mod flip;
mod noise;
mod shown;
mod ties;
mod words;
