//! A chat over TCP: `cargo run -p evented --example evented_chat -- 127.0.0.1:7000`, then `nc 127.0.0.1 7000`.
//! The first line is the name. Who reads too slowly misses lines; who reads nothing is sent away.
use std::{cell::RefCell, collections::BTreeMap, error::Error, io, rc::Rc, time::Duration};

use evented::net::{TcpListener, TcpStream};
use evented::{block_on, spawn, sync::mpsc, timeout};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, future::or, io::BufReader};

/// Everybody who is there, by name, with the lines that are still to be sent to them.
type Room = Rc<RefCell<BTreeMap<String, mpsc::Sender<Rc<str>>>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: chat ADDRESS:PORT")?.parse()?;
    block_on(async {
        let (listener, room) = (TcpListener::bind(address)?, Room::default());
        println!("listening on {}", listener.local_addr()?);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => spawn(attend(stream, Rc::clone(&room))).detach(),
                Err(error) => eprintln!("failed to accept: {error}"),
            }
        }
    })
}

/// One guest, from the name to the end.
async fn attend(stream: TcpStream, room: Room) -> io::Result<()> {
    let (mut lines, mut name) = (BufReader::new(&stream), String::new());
    (&mut lines).take(80).read_line(&mut name).await?;
    let name = name.trim();
    if name.is_empty() || room.borrow().contains_key(name) {
        return (&stream).write_all(b"* that name will not do\n").await;
    }
    let (sender, mut inbox) = mpsc::bounded::<Rc<str>>(100);
    room.borrow_mut().insert(name.to_owned(), sender);
    say(&room, &format!("* {name} is here\n"));
    let hear = async {
        while let Some(line) = inbox.recv().await {
            timeout(Duration::from_secs(1), (&stream).write_all(line.as_bytes())).await??;
        }
        Ok(())
    };
    let speak = async {
        let mut line = String::new();
        while (&mut lines).take(1000).read_line(&mut line).await? > 0 {
            say(&room, &format!("{name}: {}\n", line.trim_end()));
            line.clear();
        }
        Ok(())
    };
    let result = or(hear, speak).await;
    room.borrow_mut().remove(name);
    say(&room, &format!("* {name} has left\n"));
    result
}

/// Has everybody hear a line, but those who have 100 to read.
fn say(room: &Room, line: &str) {
    room.borrow_mut().retain(|_, guest| guest.try_send(line.into()).is_ok() || !guest.is_closed());
}
