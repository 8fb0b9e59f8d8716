//! Who gets the next connection.

/// How a server over several loops decides who gets the next connection.
///
/// A connection stays where it is, so for connections that live long an uneven start is uneven for good.
/// With 2,000 of them over 4 loops on one machine, `Fewest` had 500 on each, and `Kernel` between
/// 467 and 531 (with 40 of them, 10 on each, and between 6 and 14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// The loop that has the fewest. The first loop accepts and hands over, which costs a message to
    /// another thread for each connection.
    #[default]
    Fewest,
    /// The kernel decides by a hash of the addresses: each loop has a listener of its own for the same
    /// port (`SO_REUSEPORT`). Nothing is handed over, so it is for many short connections. Those that
    /// wait in the queue of a loop when it ends are reset, and those in the queue of one that is stuck
    /// wait for it.
    Kernel,
}
