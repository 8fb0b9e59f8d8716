//! What the programs of this example have in common: a function that machines know by its name.

processes::task! {
    "examples.collatz" =>
    /// How many steps the number takes to get to 1: half of it if it is even, else three times and 1.
    pub fn collatz(start: u64) -> u32 {
        let (mut n, mut steps) = (start.max(1), 0);
        while n != 1 {
            n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
            steps += 1;
        }
        steps
    }
}
