//! Awaiting jobs, and a child of a token for a part of the work.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use threads::{CancelToken, JoinError, Pool};

/// The smallest executor: one future, on the calling thread. Any other one will do.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A page: its text, and pictures, which can be left out.
async fn page(pool: &Pool, request: &CancelToken) -> Result<String, JoinError> {
    let pictures = request.child(); // Cancelled with the request, or alone.
    let text = pool.spawn_with(request, || "text".to_owned());
    let wait = pictures.clone();
    let picture = pool.spawn_with(&pictures, move || wait.wait()); // Would take for ever.
    let text = text.await?;
    pictures.cancel();
    let left_out = match picture.await {
        Ok(()) | Err(JoinError::Cancelled) => true, // It was told, or had not begun.
        Err(error) => return Err(error),
    };
    Ok(format!("{text}, pictures left out: {left_out}, request: {:?}", request.check()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::new(2)?;
    println!("{}", block_on(page(&pool, &CancelToken::new()))?);
    Ok(())
}
