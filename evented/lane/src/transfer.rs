//! Bytes that are handed to another task of the loop.

use std::{cell::RefCell, future::poll_fn, io, net::TcpListener, pin::Pin, rc::Rc, task::Poll};

use common::{
    Handover, Outcome, Output, Parcel,
    lane::{LaneError, Support},
    payload::stamp,
};
use evented::net::TcpStream;
use futures_io::{AsyncRead, AsyncWrite};

/// How a loop can hand bytes over.
pub(crate) fn support(mode: Handover) -> Support {
    match mode {
        Handover::Serde => {
            Support::No { why: "tasks share their memory: nothing has to be encoded".into() }
        }
        Handover::Arena => {
            Support::No { why: "all memory of a task is memory that the others see".into() }
        }
        Handover::Bytes => Support::Hybrid { with: "a connection of the loop with itself".into() },
        Handover::Move | Handover::Clone | Handover::SharedCreate | Handover::SharedReuse => {
            Support::Native
        }
    }
}

/// Hands the bytes over, one time after another.
pub(crate) async fn run(parcel: &mut Parcel) -> Result<Outcome, LaneError> {
    let mut outcome = Outcome { units: 1, ..Outcome::default() };
    let mut ends = match parcel.plan.mode {
        Handover::Bytes => Some(pair().map_err(|error| LaneError::failed("connect", error))?),
        _ => None,
    };
    let bytes = &mut parcel.bytes;
    let shared = Rc::new(RefCell::new(bytes.clone()));
    for index in 0..parcel.plan.transfers {
        stamp(bytes, index);
        let answer = match (parcel.plan.mode, &mut ends) {
            (Handover::Move, _) => {
                let moved = std::mem::take(bytes);
                let task = evented::spawn(async move { (Parcel::answer(&moved), moved) });
                task.await.map_err(|error| error.to_string()).map(|(answer, back)| {
                    *bytes = back;
                    answer
                })
            }
            (Handover::Clone, _) => read(bytes.clone()).await,
            (Handover::SharedCreate, _) => read(Rc::<[u8]>::from(bytes.as_slice())).await,
            (Handover::SharedReuse, _) => {
                stamp(&mut shared.borrow_mut(), index);
                let shared = Rc::clone(&shared);
                let task = evented::spawn(async move { Parcel::answer(&shared.borrow()) });
                task.await.map_err(|error| error.to_string())
            }
            (Handover::Bytes, Some((near, far))) => {
                through(near, far, bytes).await.map_err(|error| error.to_string())
            }
            (Handover::Bytes | Handover::Serde | Handover::Arena, _) => {
                return Err(LaneError::Unsupported("nothing is encoded between tasks".into()));
            }
        };
        outcome.take(index, answer);
    }
    Ok(outcome)
}

/// Has another task read the bytes.
async fn read(bytes: impl AsRef<[u8]> + 'static) -> Result<Output, String> {
    let task = evented::spawn(async move { Parcel::answer(bytes.as_ref()) });
    task.await.map_err(|error| error.to_string())
}

/// Two ends of a connection.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let near = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (far, _address) = listener.accept()?;
    near.set_nodelay(true)?;
    Ok((TcpStream::from_std(near)?, TcpStream::from_std(far)?))
}

/// Writes the bytes into one end and reads them from the other one.
async fn through(near: &mut TcpStream, far: &mut TcpStream, bytes: &[u8]) -> io::Result<Output> {
    let mut received = vec![0; bytes.len()];
    let (mut written, mut filled) = (0, 0);
    poll_fn(|context| {
        while written < bytes.len() {
            match Pin::new(&mut *near).poll_write(context, &bytes[written..]) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(more)) => written += more,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        while filled < received.len() {
            match Pin::new(&mut *far).poll_read(context, &mut received[filled..]) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(more)) => filled += more,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await?;
    Ok(Parcel::answer(&received))
}
