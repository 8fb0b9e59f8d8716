//! `SplitMix64`: the one source of pseudo-random numbers in the project.
//!
//! Every input is a function of (seed, index), so a unit of work can be made anywhere, in any order,
//! by any lane and in any language, and comes out the same. The generator is small enough to be
//! written again in a few lines elsewhere; its constants and test values are those of the original.
//!
//! Source: Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014,
//! and Vigna's `splitmix64.c` (<https://prng.di.unimi.it/splitmix64.c>). Not for secrets.

/// What one step adds to the state: 2^64 divided by the golden ratio, made odd.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Two to the power of -53: the distance between the values of [`SplitMix64::unit`].
const UNIT_STEP: f64 = 1.0 / (1_u64 << 53) as f64;

/// The number that a [`SplitMix64`] with state `z` gives next; a good hash of `z` (a bijection).
pub const fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A sequence of 64-bit numbers that depends on nothing but its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitMix64 {
    /// Grows by [`GAMMA`] with each number, modulo 2^64, so the period is 2^64.
    state: u64,
}

impl SplitMix64 {
    /// The sequence that starts at `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The sequence of element `index` of the input that `seed` stands for.
    ///
    /// Sequences of neighbouring indices have nothing visible in common, which `new(seed + index)`
    /// would not give: those are the same sequence, shifted.
    pub const fn derive(seed: u64, index: u64) -> Self {
        Self::new(mix(seed ^ mix(index)))
    }

    /// The next number, uniform over all 64-bit values.
    pub const fn next_u64(&mut self) -> u64 {
        let number = mix(self.state);
        self.state = self.state.wrapping_add(GAMMA);
        number
    }

    /// A number in `0..n`: the upper half of a 128-bit product.
    ///
    /// The bias is at most `n` / 2^64 per value (Lemire, *Fast Random Integer Generation in an
    /// Interval*, 2019), too small to be seen in what is generated here.
    ///
    /// # Panics
    ///
    /// If `n` is 0: there is no such number.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no number below 0");
        let (_, high) = self.next_u64().carrying_mul(n, 0);
        high
    }

    /// A number in `0.0..1.0`, one of 2^53 equally spaced ones, exact on every platform.
    pub const fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * UNIT_STEP
    }
}

#[cfg(test)]
mod tests {
    use super::{SplitMix64, mix};

    /// The first numbers of `splitmix64.c` for two seeds.
    #[test]
    fn agrees_with_the_original() {
        let mut zero = SplitMix64::new(0);
        let expected = [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F];
        assert_eq!(expected.map(|_| zero.next_u64()), expected);

        let mut other = SplitMix64::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(expected.map(|_| other.next_u64()), expected);
    }

    #[test]
    fn mix_is_one_step() {
        assert_eq!(mix(7), SplitMix64::new(7).next_u64());
        assert_eq!(mix(u64::MAX), SplitMix64::new(u64::MAX).next_u64());
    }

    #[test]
    fn derive_separates_seeds_and_indices() {
        assert_eq!(SplitMix64::derive(3, 5), SplitMix64::new(mix(3 ^ mix(5))));
        assert_ne!(SplitMix64::derive(3, 5), SplitMix64::derive(5, 3));
        assert_ne!(SplitMix64::derive(0, 0), SplitMix64::derive(0, 1));
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut rng = SplitMix64::new(42);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            let number = usize::try_from(rng.below(7)).unwrap();
            seen[number] += 1;
        }
        assert!(seen.iter().all(|&count| (800..1_200).contains(&count)), "{seen:?}");
        assert_eq!(rng.below(1), 0);
    }

    /// Pins the multiply-shift: `%` would pass every other test here.
    #[test]
    fn below_takes_the_upper_half() {
        let number = SplitMix64::new(0).below(1_000);
        assert_eq!(number, u64::try_from((0xE220_A839_7B1D_CDAF_u128 * 1_000) >> 64).unwrap());
        assert_eq!(number, 883);
    }

    #[test]
    #[should_panic(expected = "below 0")]
    fn below_zero_panics() {
        SplitMix64::new(1).below(0);
    }

    #[test]
    fn unit_is_in_range_and_uniform() {
        let mut rng = SplitMix64::new(9);
        let numbers: Vec<f64> = (0..10_000).map(|_| rng.unit()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = numbers.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "mean {mean}");
    }
}
