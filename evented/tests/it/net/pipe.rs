//! Pipes.

use std::io::{self, Read};

use evented::net::{PipeReader, PipeWriter, pipe};
use evented::{block_on, spawn, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use rustix::fs::OFlags;

use crate::support::bounded;

#[test]
fn large_writes_feel_back_pressure_and_closing_ends_the_data() {
    block_on(bounded(async {
        let (mut reader, mut writer) = pipe().unwrap();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let expected = sent.clone();
        let filling = spawn(async move {
            writer.write_all(&sent).await.unwrap();
            writer.close().await.unwrap();
            writer
        });
        yield_now().await;
        assert!(!filling.is_finished(), "a megabyte does not fit into a pipe");
        let mut got = Vec::new();
        reader.read_to_end(&mut got).await.unwrap();
        assert!(got == expected);
        // Closed, though it still exists.
        let mut writer = filling.await.unwrap();
        assert_eq!(writer.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        writer.close().await.unwrap();
    }));
}

#[test]
fn a_writer_learns_that_nobody_reads_while_it_waits() {
    block_on(bounded(async {
        let (reader, mut writer) = pipe().unwrap();
        let filling = spawn(async move { writer.write_all(&vec![0; 1 << 20]).await });
        yield_now().await;
        drop(reader);
        assert_eq!(filling.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }));
}

#[test]
fn trying_does_not_wait() {
    let (reader, writer) = pipe().unwrap();
    let mut buffer = [0; 8];
    assert_eq!(reader.try_read(&mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(writer.try_write(b"now").unwrap(), 3);
    assert_eq!(reader.try_read(&mut buffer).unwrap(), 3);
    drop(writer);
    assert_eq!(reader.try_read(&mut buffer).unwrap(), 0);
}

#[test]
fn descriptors_come_and_go_with_their_mode() {
    block_on(bounded(async {
        let (reader, writer) = io::pipe().unwrap();
        let mut reader = PipeReader::from_fd(reader).unwrap();
        let mut writer = PipeWriter::from_fd(writer).unwrap();
        let reads = spawn(async move {
            let mut byte = [0];
            reader.read_exact(&mut byte).await.unwrap();
            (byte, reader)
        });
        yield_now().await;
        writer.write_all(b"x").await.unwrap();
        let (byte, reader) = reads.await.unwrap();
        assert_eq!(byte, *b"x");
        writer.write_all(b"y").await.unwrap();
        let reader = reader.into_blocking_fd().unwrap();
        let writer = writer.into_blocking_fd().unwrap();
        for fd in [&reader, &writer] {
            assert!(!rustix::fs::fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK));
        }
        drop(writer);
        let mut rest = String::new();
        std::fs::File::from(reader).read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), evented::stats().sources), ("y", 0));
    }));
}
