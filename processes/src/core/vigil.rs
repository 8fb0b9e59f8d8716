//! When the receiver looks at what was not announced, and how long it sleeps.

/// How thoroughly the receiver looks, and how long it sleeps; [`crate::results`] says why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Vigil {
    /// Whether it looks at what was not announced, too.
    pub(super) is_thorough: bool,
    /// Whether its next sleep is a nap.
    pub(super) naps: bool,
}

impl Vigil {
    /// At the beginning.
    pub(super) fn new() -> Self {
        Self { is_thorough: false, naps: true }
    }

    /// A look found something.
    pub(super) fn found(&mut self) {
        *self = Self { is_thorough: false, naps: true };
    }

    /// It has slept; `undisturbed` if that was a nap that nobody has ended.
    pub(super) fn slept(&mut self, undisturbed: bool) {
        *self = Self { is_thorough: true, naps: !undisturbed };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_each_sleep_it_looks_everywhere_and_only_after_a_quiet_nap_it_sleeps_long() {
        let mut vigil = Vigil::new();
        for undisturbed in [false, false, true, false] {
            vigil.slept(undisturbed);
            assert_eq!(vigil, Vigil { is_thorough: true, naps: !undisturbed });
        }
        vigil.slept(true);
        vigil.found();
        assert!(vigil.naps, "something more may come");
    }
}
