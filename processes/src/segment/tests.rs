//! Segments, one process.

use super::*;

#[test]
fn a_second_arrival_gives_the_same_mapping() {
    let made = Segment::create(100).unwrap();
    let again = Segment::adopt(made.id(), made.fd().try_clone_to_owned().unwrap()).unwrap();
    assert!(Arc::ptr_eq(&made, &again));
    let id = made.id();
    drop((made, again));
    assert!(Segment::find(id).is_none());
}

#[test]
fn a_copy_in_a_child_waits_for_no_table() {
    let mut segment = Arc::try_unwrap(Segment::create(100).unwrap()).unwrap();
    segment.home = Home::elsewhere();
    let id = segment.id();
    let (dropped, drops) = std::sync::mpsc::channel();
    // As when another thread has it when the child is forked.
    let table = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let dropping = std::thread::spawn(move || {
        drop(segment);
        dropped.send(()).unwrap();
    });
    let in_time = drops.recv_timeout(std::time::Duration::from_secs(30));
    drop(table);
    dropping.join().unwrap();
    in_time.expect("it waits for the table");
    LIVE.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
}

#[test]
fn a_reading_end_gives_no_right_to_write() {
    let made = Segment::create(100).unwrap();
    let end = made.reading_end().unwrap();
    // Under another name: otherwise it would be the mapping that is here.
    assert!(Segment::adopt(random_id().unwrap(), end.try_clone().unwrap()).is_err());
    let view = Segment::view(random_id().unwrap(), end).unwrap();
    made.atomic_u32(3).store(7, Ordering::Relaxed);
    assert_eq!(view.atomic_u32(3).load(Ordering::Relaxed), 7);
    assert!(!view.is_frozen());
}
