use std::rc::Rc;

use super::*;

#[test]
fn every_index_has_its_own_place() {
    let mut expected = (0, 0);
    for index in 0..100_000 {
        assert_eq!(locate(index), expected);
        expected.1 += 1;
        if expected.1 == size_of_chunk(expected.0) {
            expected = (expected.0 + 1, 0);
        }
    }
    assert_eq!(locate(CAPACITY - 1), (CHUNKS - 1, size_of_chunk(CHUNKS - 1) - 1));
}

#[test]
fn elements_are_made_once_keep_their_address_and_are_dropped_once() {
    thread_local! {
        static OWNER: Rc<()> = Rc::default();
    }
    struct Element(Rc<()>, Cell<u32>);
    impl Default for Element {
        fn default() -> Self {
            Self(OWNER.with(Rc::clone), Cell::new(u32::MAX))
        }
    }
    let alive = || OWNER.with(Rc::strong_count) - 1;
    for count in [0, 1, 63, 64, 65, 191, 192, 193, 1_000] {
        let chunks = Chunks::<Element>::new();
        let mut addresses = Vec::new();
        for index in 0..count {
            assert!(chunks.find(index).is_none(), "{index} of {count}");
            let element = chunks.get(index);
            assert_eq!(element.1.replace(index), u32::MAX, "two places are one");
            addresses.push(ptr::from_ref(element));
        }
        for (index, address) in (0..count).zip(&addresses) {
            let element = chunks.find(index).expect("it was made");
            assert_eq!((element.1.get(), ptr::from_ref(element)), (index, *address));
            assert!(Rc::ptr_eq(&element.0, &OWNER.with(Rc::clone)));
        }
        assert_eq!(alive(), count as usize);
        drop(chunks);
        assert_eq!(alive(), 0, "{count}");
    }
    let sparse = Chunks::<Element>::new();
    assert_eq!(sparse.get(500).1.get(), u32::MAX);
    assert_eq!(alive(), 501, "those before it are made, too");
}

#[test]
#[should_panic(expected = "a slab holds at most")]
fn there_is_an_end() {
    Chunks::<Cell<u8>>::new().get(CAPACITY);
}
