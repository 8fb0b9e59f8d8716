//! Callbacks: being told of a job's end without waiting for it.

use std::sync::{Arc, mpsc};
use threads::{PanicReport, Pool};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Panics that nobody would see otherwise go to one place.
    let report = |panic: &PanicReport<'_>| println!("{:?}: {}", panic.origin, panic.message);
    let pool = Arc::new(Pool::builder().workers(1).on_panic(report).build()?);
    let (send, lines) = mpsc::channel();

    // The outcome; the result stays in the handle.
    let handle = pool.spawn(|| 6);
    let told = send.clone();
    handle.on_done(move |outcome| {
        told.send(format!("outcome: {outcome:?}")).expect("the receiver is there");
    });
    let six = handle.join()?;

    // The result itself, and a next job made from it.
    let inner = Arc::clone(&pool);
    pool.submit(|x| x * 7, six).on_result(move |result| {
        let product = result.unwrap_or(0);
        let next = inner.spawn(move || format!("product: {product}"));
        next.on_result(move |line| {
            send.send(line.unwrap_or_default()).expect("the receiver is there");
        });
    });
    for line in lines {
        println!("{line}");
    }

    // One callback that panics keeps nobody from the next. (Those of a job that has ended run here.)
    let (end, ended) = mpsc::channel::<()>();
    let handle = pool.spawn(move || ended.recv().is_ok());
    handle.on_done(|_| panic!("a callback"));
    let (send, last) = mpsc::channel();
    handle.on_done(move |_| send.send("still called").expect("the receiver is there"));
    end.send(())?;
    println!("{}", last.recv()?);
    Ok(())
}
