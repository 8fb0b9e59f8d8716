//! The time of a record.

use std::rc::Rc;
use std::time::Instant;

use super::*;

/// A reactor's time never goes back, and does not stand still until a counter that has begun anew is
/// where it was.
#[test]
fn time_goes_on_when_the_counter_begins_anew() {
    let clock = Clock::virtual_time(Rc::new(Cell::new(Instant::now())));
    let spec = RecorderSpec::new().in_memory();
    let pen = Pen::new((&spec, &Hooks::default()), clock, 1).unwrap();
    let now = || load(&pen.header()[head::NOW]);
    let hour = 1 << 43;
    assert_eq!(pen.tick_at(hour), (0, hour));
    // Another processor.
    assert_eq!(pen.tick_at(hour - 1_000), (hour, 0));
    assert_eq!(pen.tick_at(hour + 10), (hour, 10));
    for (n, first) in [5, 70_000].into_iter().enumerate() {
        let before = now();
        assert_eq!(pen.tick_at(first), (before, 0), "time {n}");
        assert_eq!(pen.tick_at(first + 300), (before, 300));
        assert_eq!(pen.tick_at(first + hour), (before + 300, hour - 300));
        // Others see the same.
        assert_eq!(pen.shared.shifted(first + hour), now());
    }
}
