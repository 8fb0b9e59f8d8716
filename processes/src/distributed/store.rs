//! Long arguments and results, in the object store of the broker.
//!
//! An *object* is its parts, messages of a subject of their own, and a message of another subject that says which
//! they are. That one is written last: before it, nobody reads the parts. The form is that of all object stores
//! of NATS, whose tools read it, too. It is written here and not by the client library, because the parts have a
//! name then that is known here: what was not stored whole is removed at once, and not after a day.
//!
//! Objects are removed without a mark in their place: a broker without room takes no marks.
//!
//! What cannot be removed, because the broker does not answer, is tried again before the next object is stored
//! and after the next one is removed; a client also tries from time to time, and when it ends.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_nats::header::NATS_ROLLUP;
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::object_store::{Config, InfoErrorKind, ObjectInfo, ObjectStore};
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{Context, Error, ErrorCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use futures_lite::StreamExt;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::error::{JoinError, Side};

use super::broker::KEPT;

/// How long the next part of an object may take to come.
const STALL: Duration = Duration::from_secs(10);

/// The longest part of an object, in bytes.
const PART: usize = 128 << 10;

/// So many things that could not be removed are remembered; the oldest go after a day.
const MAX_RESTS: usize = 1024;

/// So many times as long as until a client is gone the broker may have no room for an object: a minute.
const FULL_FOR: u32 = 2;

/// Why a body was not fetched.
#[derive(Debug)]
pub(super) enum Unfetched {
    /// It is not there, or not whole.
    Missing,
    /// Something else, which may pass.
    Other,
}

impl From<String> for Unfetched {
    /// What the broker said is of no use: it is tried again.
    fn from(_said: String) -> Self {
        Self::Other
    }
}

/// Why a body was not stored, in words.
#[derive(Debug)]
pub(super) enum Unstored {
    /// The broker has no room for it.
    NoRoom(String),
    /// Something else, which may pass.
    Other(String),
}

impl fmt::Display for Unstored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NoRoom(why) | Self::Other(why)) = self;
        f.write_str(why)
    }
}

impl From<PublishError> for Unstored {
    fn from(error: PublishError) -> Self {
        let said = std::error::Error::source(&error);
        let said = said.and_then(|said| said.downcast_ref::<Error>());
        if said.is_some_and(|said| is_full(said.error_code(), &said.to_string())) {
            Self::NoRoom(error.to_string())
        } else {
            Self::Other(error.to_string())
        }
    }
}

/// Whether a broker says that it has no room: a limit of its own, of the account, or of the stream.
fn is_full(code: ErrorCode, words: &str) -> bool {
    match code {
        ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED => true,
        // That of all that goes wrong when a stream stores a message.
        ErrorCode::STREAM_STORE_FAILED => words.contains("maximum"),
        _ => false,
    }
}

/// A text as JSON has it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\0'..=' ' => quoted.extend([format!("\\u{:04x}", u32::from(c))]),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Since when the broker has had no room for an object, each time that it was to be stored.
#[derive(Debug, Default)]
pub(super) struct Full(Option<Instant>);

impl Full {
    /// It was not stored, for this reason. Whether that has been for so long that it is not tried any more; only
    /// when it is for want of room.
    pub(super) fn is_final(&mut self, why: &Unstored, gone_after: Duration) -> bool {
        match why {
            Unstored::NoRoom(_) => {
                self.0.get_or_insert_with(Instant::now).elapsed() >= FULL_FOR * gone_after
            }
            Unstored::Other(_) => {
                self.0 = None;
                false
            }
        }
    }
}

/// How a call ends whose argument or result, of so many bytes, finds no room.
pub(super) fn no_room(
    side: Side,
    length: usize,
    why: &Unstored,
    gone_after: Duration,
) -> JoinError {
    let limit = FULL_FOR * gone_after;
    let message = format!("the broker has had no room for {length} bytes for {limit:?}: {why}");
    JoinError::Encode { side, message }
}

/// Something that is to be removed.
#[derive(Debug)]
enum Rest {
    /// The object of this name.
    Object(String),
    /// The parts of this id.
    Parts(String),
}

/// The object store of a cluster.
#[derive(Clone)]
pub(super) struct Store {
    /// How to speak of it.
    jetstream: Context,
    /// Itself.
    objects: ObjectStore,
    /// The stream in which everything is.
    stream: Stream,
    /// Its name.
    bucket: Rc<str>,
    /// What could not be removed; not more than [`MAX_RESTS`].
    rests: Rc<RefCell<VecDeque<Rest>>>,
}

impl Store {
    /// Finds the one of this name, or makes it.
    ///
    /// # Errors
    /// What the broker said.
    pub(super) async fn open(
        jetstream: &Context,
        bucket: String,
        num_replicas: usize,
    ) -> Result<Self, String> {
        let objects = match jetstream.get_object_store(&bucket).await {
            Ok(objects) => Ok(objects),
            Err(_missing) => {
                let (bucket, max_age) = (bucket.clone(), KEPT);
                let config = Config { bucket, max_age, num_replicas, ..Config::default() };
                jetstream.create_object_store(config).await
            }
        };
        let objects = objects.map_err(|error| error.to_string())?;
        let stream = jetstream.get_stream(format!("OBJ_{bucket}")).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let (jetstream, rests) = (jetstream.clone(), Rc::default());
        Ok(Self { jetstream, objects, stream, bucket: bucket.into(), rests })
    }

    /// How long it keeps a body; none: for ever.
    pub(super) fn keeps(&self) -> Option<Duration> {
        Some(self.stream.cached_info().config.max_age).filter(|age| !age.is_zero())
    }

    /// Stores a body, in the place of one of this name. When that fails, what was stored of it is removed.
    ///
    /// # Errors
    /// What the broker said.
    pub(super) async fn put(&self, name: &str, body: &[u8]) -> Result<(), Unstored> {
        self.clean().await;
        let id = crate::segment::random_id();
        let id = id.map_err(|error| Unstored::Other(error.to_string()))?;
        let id = format!("{id:032x}");
        let put = self.put_as(name, &id, body).await;
        if put.is_err() {
            self.remove(Rest::Parts(id)).await;
        }
        put
    }

    /// Stores a body in parts of this id.
    ///
    /// # Errors
    /// What the broker said. There may be some parts.
    async fn put_as(&self, name: &str, id: &str, body: &[u8]) -> Result<(), Unstored> {
        let before = self.info(name).await.map_err(Unstored::Other)?;
        let subject = self.subject_of_parts(id);
        let mut digest = Sha256::new();
        for part in body.chunks(PART) {
            digest.update(part);
            let message = PublishMessage::build().payload(part.to_vec().into());
            self.jetstream.send_publish(subject.clone(), message).await?.await?;
        }
        let (name_said, bucket) = (quoted(name), &self.bucket);
        let (size, chunks) = (body.len(), body.len().div_ceil(PART));
        let digest = URL_SAFE.encode(digest.finalize());
        let info = format!(
            r#"{{"name":{name_said},"bucket":"{bucket}","nuid":"{id}","size":{size},"chunks":{chunks},
            "digest":"SHA-256={digest}","options":{{"max_chunk_size":{PART}}}}}"#
        );
        // It takes the place of what that subject had.
        let message = PublishMessage::build().payload(info.into()).header(NATS_ROLLUP, "sub");
        self.jetstream.send_publish(self.subject_of(name), message).await?.await?;
        if let Some(before) = before {
            self.remove(Rest::Parts(before.nuid)).await;
        }
        Ok(())
    }

    /// Whether a body of this length is in the store, with all of its parts. They may be older than what
    /// says that they are there, and go before it.
    ///
    /// # Errors
    /// What the broker said.
    pub(super) async fn has(&self, name: &str, length: u64) -> Result<bool, String> {
        let Some(info) = self.info(name).await? else { return Ok(false) };
        if u64::try_from(info.size) != Ok(length) {
            return Ok(false);
        }
        let parts = self.stream.info_with_subjects(self.subject_of_parts(&info.nuid)).await;
        let mut parts = parts.map_err(|error| error.to_string())?;
        let mut found = 0;
        while let Some(part) = parts.next().await {
            let (_subject, count) = part.map_err(|error| error.to_string())?;
            found += count;
        }
        Ok(found >= info.chunks)
    }

    /// Fetches a body, which has this length.
    ///
    /// # Errors
    /// It is not there, or what the broker said.
    pub(super) async fn get(&self, name: &str, length: u64) -> Result<Vec<u8>, Unfetched> {
        if !self.has(name, length).await? {
            return Err(Unfetched::Missing);
        }
        let object = self.objects.get(name).await.map_err(|error| error.to_string())?;
        let mut body = Vec::new();
        let mut reader = object.take(length);
        // Of an object that is removed meanwhile, no more comes, and nobody says so.
        while timeout(STALL, reader.read_buf(&mut body))
            .await
            .map_err(|_late| format!("the object {name} does not go on"))?
            .map_err(|error| error.to_string())?
            > 0
        {}
        if u64::try_from(body.len()) != Ok(length) {
            return Err(Unfetched::Other);
        }
        Ok(body)
    }

    /// Forgets a body; one that is not there is as good. When that fails, it is tried again later.
    pub(super) async fn forget(&self, name: &str) {
        if self.remove(Rest::Object(name.to_owned())).await {
            self.clean().await;
        }
    }

    /// Tries again to remove what could not be removed.
    pub(super) async fn clean(&self) {
        loop {
            let rest = self.rests.borrow_mut().pop_front();
            let Some(rest) = rest else { return };
            if !self.remove(rest).await {
                // It does not answer.
                return;
            }
        }
    }

    /// Removes something, or remembers that it is to be removed: false.
    async fn remove(&self, rest: Rest) -> bool {
        let removed = match &rest {
            Rest::Object(name) => self.remove_object(name).await,
            Rest::Parts(id) => self.purge(self.subject_of_parts(id)).await,
        };
        if removed.is_err() {
            let mut rests = self.rests.borrow_mut();
            rests.push_back(rest);
            if rests.len() > MAX_RESTS {
                rests.pop_front();
            }
        }
        removed.is_ok()
    }

    /// Removes an object. Its parts go first: nobody would know of them afterwards.
    async fn remove_object(&self, name: &str) -> Result<(), String> {
        let Some(info) = self.info(name).await? else { return Ok(()) };
        self.purge(self.subject_of_parts(&info.nuid)).await?;
        self.purge(self.subject_of(name)).await
    }

    /// Removes all messages of a subject.
    async fn purge(&self, subject: String) -> Result<(), String> {
        let purged = self.stream.purge().filter(subject).await;
        purged.map(|_count| ()).map_err(|error| error.to_string())
    }

    /// What is known of an object; none: it is not there.
    async fn info(&self, name: &str) -> Result<Option<ObjectInfo>, String> {
        match self.objects.info(name).await {
            Ok(info) => Ok(Some(info).filter(|info| !info.deleted)),
            Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Where the parts of this id are.
    fn subject_of_parts(&self, id: &str) -> String {
        format!("$O.{}.C.{id}", self.bucket)
    }

    /// Where it is said which the parts of an object are.
    fn subject_of(&self, name: &str) -> String {
        format!("$O.{}.M.{}", self.bucket, URL_SAFE.encode(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_has_no_room_for_a_while_before_that_is_final() {
        let (minute, now) = (Duration::from_mins(1), Duration::ZERO);
        let no_room = Unstored::NoRoom(String::new());
        let mut full = Full::default();
        assert!(!full.is_final(&no_room, minute));
        assert!(full.is_final(&no_room, now), "it was so before");
        assert!(!full.is_final(&Unstored::Other(String::new()), now), "that may pass");
        assert!(full.0.is_none(), "and nobody knows whether there is room now");
    }

    #[test]
    fn it_is_told_apart_that_there_is_no_room() {
        let is_full = |code: u64, description: &str| is_full(ErrorCode(code), description);
        assert!(is_full(10_023, "insufficient resources"));
        assert!(is_full(10_002, "resource limits exceeded for account"));
        assert!(is_full(10_047, "insufficient storage resources available"));
        assert!(is_full(10_077, "maximum bytes exceeded"));
        assert!(!is_full(10_077, "store is closed"));
        assert!(!is_full(10_008, "JetStream system temporarily unavailable"));
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("7.result.host-1/12/ab"), r#""7.result.host-1/12/ab""#);
        assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\u000ad""#);
    }
}
