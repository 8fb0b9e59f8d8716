//! Many submitters at once.

use std::thread;

use super::support::{LIMIT, in_time, until};
use crate::executor::model::{AsCompleted, Pool};

#[test]
fn many_submitters() {
    in_time(|| {
        let pool = Pool::new(3).unwrap();
        thread::scope(|scope| {
            for submitter in 0..4_u64 {
                let pool = &pool;
                scope.spawn(move || {
                    let mut set = AsCompleted::new();
                    for x in 0..2_000 {
                        set.push(x, pool.submit(|x| x, submitter * 10_000 + x));
                        if set.len() == 32 {
                            let (key, result) = set.next_timeout(LIMIT).unwrap();
                            assert_eq!(result.unwrap(), submitter * 10_000 + key);
                        }
                    }
                    assert_eq!(set.count(), 31);
                });
            }
        });
        until("the books are even", || pool.stats().done == 8_000);
    });
}
