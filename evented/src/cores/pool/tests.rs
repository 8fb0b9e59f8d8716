use std::sync::mpsc;
use std::time::Duration;

use super::Cores;
use crate::cores::Balance;

/// However long connections may take, of which there are none.
#[test]
fn what_listeners_have_taken_is_not_there_for_the_end() {
    const LIMIT: Duration = Duration::from_millis(200);
    let mut cores = Cores::builder().count(1).build().unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    cores.serve(address, Balance::Fewest, |_, _| async {}).unwrap();
    let (let_it_go, waits) = mpsc::channel::<()>();
    let (begins, begun) = mpsc::channel();
    let blocks = move || {
        begins.send(()).unwrap();
        let _ = waits.recv();
    };
    cores.handle(0).call(blocks).unwrap();
    begun.recv_timeout(Duration::from_secs(30)).unwrap();
    let mut left = LIMIT;
    // The loop cannot close its listener: half of the limit goes by.
    let ended = cores.end(Duration::from_hours(1), &mut left);
    assert_eq!((ended.cut_off, ended.failures.len()), (0, 0));
    assert!(left <= LIMIT / 2, "{left:?}");
    drop(let_it_go);
}
