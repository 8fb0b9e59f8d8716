//! A server on all cores: Ctrl-C ends it, conversations within ten seconds; `SIGUSR1` prints how many
//! there are. `cargo run -p evented --example evented_signals -- 127.0.0.1:7000`

use std::{error::Error, io, time::Duration};

use evented::cores::{Balance, Cores, Stop};
use evented::net::TcpStream;
use evented::signal::{Kind, Signal, end_requested};
use evented::{block_on, blocking};
use futures_lite::{AsyncBufReadExt, AsyncWriteExt, future, io::BufReader};

/// How long conversations may go on.
const GRACE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: signals ADDRESS:PORT")?.parse()?;
    let cores = Cores::new()?;
    block_on(async {
        // Before the address is told: from here on no signal is missed.
        let mut status = Signal::new(Kind::USER1)?;
        let mut end = Box::pin(end_requested());
        future::poll_once(&mut end).await;
        let address = cores.serve(address, Balance::Fewest, |stream, stop| async move {
            if let Err(error) = converse(stream, stop).await {
                eprintln!("a conversation has failed: {error}");
            }
        })?;
        println!("listening on {address}");
        let report = async {
            loop {
                status.recv().await?;
                println!("{} conversations", cores.connections().iter().sum::<usize>());
            }
        };
        let kind = future::or(end, report).await?;
        println!("{kind:?}: no new conversations");
        // It waits for others: not on this loop.
        let ended = blocking(move || cores.shutdown(GRACE)).await?;
        println!("ended, {} cut off", ended.cut_off);
        Ok(())
    })
}

/// Answers lines until the peer has enough; when the server is to end, says so and finishes.
async fn converse(stream: TcpStream, stop: Stop) -> io::Result<()> {
    let mut lines = BufReader::new(&stream);
    loop {
        let mut line = String::new();
        let read = async { lines.read_line(&mut line).await.map(Some) };
        let stopped = async {
            stop.requested().await;
            Ok(None)
        };
        match future::or(read, stopped).await? {
            Some(0) => return Ok(()),
            Some(_) => (&stream).write_all(format!("you said {line}").as_bytes()).await?,
            None => return (&stream).write_all(b"goodbye\n").await,
        }
    }
}
