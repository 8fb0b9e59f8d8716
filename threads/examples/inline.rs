//! Testing code that uses a pool: no threads, one order.

use std::sync::{Arc, Mutex};
use threads::Pool;

/// The code under test: it takes a pool, whatever kind.
fn publish(pool: &Pool, pages: &[&'static str], log: &Arc<Mutex<Vec<String>>>) -> usize {
    let handles: Vec<_> = pages
        .iter()
        .map(|&page| {
            let log = Arc::clone(log);
            pool.spawn(move || {
                assert!(!page.is_empty(), "a page without a name");
                log.lock().expect("no job panics here").push(format!("published {page}"));
            })
        })
        .collect();
    handles.into_iter().flat_map(threads::JoinHandle::join).count()
}

fn main() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let published = publish(&Pool::inline(), &["home", "", "news"], &log);
    assert_eq!(published, 2);
    // The order is that of the program, each time.
    for line in log.lock().expect("no job panics while it writes").iter() {
        println!("{line}");
    }
}
