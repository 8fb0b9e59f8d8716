//! The one thread on which everything happens that is not synchronous.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// Starts a thread that opens something and then runs it; waits until it is open.
///
/// # Errors
/// No thread or descriptor is left, or opening failed.
pub(super) fn start<O, T, F, G>(
    name: &str,
    open: impl FnOnce() -> F + Send + 'static,
    run: impl FnOnce(O) -> G + Send + 'static,
) -> io::Result<(T, thread::JoinHandle<()>)>
where
    F: Future<Output = io::Result<(O, T)>>,
    G: Future<Output = ()>,
    T: Send + 'static,
{
    let (send, opened) = mpsc::channel();
    let body = move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(send.send(Err(error))),
        };
        LocalSet::new().block_on(&runtime, async move {
            match open().await {
                Err(error) => drop(send.send(Err(error))),
                Ok((opened, told)) => {
                    if send.send(Ok(told)).is_ok() {
                        run(opened).await;
                    }
                }
            }
        });
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(body)?;
    let gone = || io::Error::other("the thread that connects has ended");
    let told = opened.recv().map_err(|_| gone()).flatten();
    match told {
        Ok(told) => Ok((told, thread)),
        Err(error) => {
            drop(thread.join());
            Err(error)
        }
    }
}
