//! Bytes from a broker, for [`crate::fuzz`]: whoever may publish there may have written them.

use std::time::Duration;

use crate::error::JoinError;
use crate::frame::{Kind, finish_result, start_result};
use crate::fuzz::Target;
use crate::options::Retry;

use super::wire::{
    Answers, CallHead, CallId, End, Here, Letter, NEEDED, News, Part, Report, Said, Sender, Shout,
    VERSION, Verdict, all_said, pack, unpack, version_of,
};
use super::{client, node};

/// All of them.
pub(crate) const TARGETS: [fn() -> Target; 3] = [heads, letters, answers];

/// Calls, as a node takes them apart.
fn heads() -> Target {
    fn right() -> Vec<Vec<u8>> {
        let head = |items, stored| CallHead {
            version: VERSION,
            id: CallId { client: u128::MAX / 3, number: 300 },
            name: "program::function".to_owned(),
            schema: 1 << 60,
            limit: Some(Duration::from_millis(70)),
            retry: Retry::default(),
            items,
            stored,
        };
        vec![
            pack(&head(None, None), b"argument"),
            pack(&head(Some(3), None), b"\x02\0ab\0\0\x01\0c"),
            pack(&head(None, Some(1 << 40)), b""),
        ]
    }
    let run = |bytes: &[u8]| {
        let version = version_of(bytes).map_or("short", |version| match version {
            VERSION => "ours",
            _ => "another version",
        });
        let what = match unpack::<CallHead>(bytes) {
            Err(why) => why,
            Ok((CallHead { items: None, .. }, _body)) => "one".to_owned(),
            Ok((CallHead { items: Some(count), .. }, body)) => match node::check_items(body, count)
            {
                Ok(()) => "items".to_owned(),
                Err(error) => error.to_string(),
            },
        };
        format!("{version}, {what}")
    };
    Target {
        name: "heads",
        corpus: include_str!("../fuzz/corpus/heads.txt"),
        right,
        run: Box::new(run),
    }
}

/// Letters of nodes, as a client takes them apart.
fn letters() -> Target {
    fn right() -> Vec<Vec<u8>> {
        let letter = |said: &[(News, &[u8])]| {
            let mut letter = Letter::of("host/7", NEEDED);
            for (number, (news, body)) in (300..).zip(said) {
                letter.add(&pack(&Said { number, news: news.clone() }, body));
            }
            letter.finish().unwrap_or_default()
        };
        let done = |report| News::Done { report, busy: Duration::from_millis(7), stored: None };
        let mut record = Vec::new();
        start_result(&mut record, 0, 0, Kind::Value);
        record.extend_from_slice(b"value");
        finish_result(&mut record);
        let body = [&record[..], &record, b"one"].concat();
        let parts = vec![
            Part { first: 0, count: 2, end: End::Values(2 * record.len() as u64) },
            Part { first: 2, count: 1, end: End::Value(3) },
        ];
        let failed = JoinError::NotServed { reason: "why".to_owned() };
        let all = Part { first: 0, count: 3, end: End::Failed(failed.clone()) };
        vec![
            letter(&[
                (News::Begin { ticket: 1 << 40, first: 300 }, b""),
                (News::Again { ticket: 9, unbegun: Some(1 << 40) }, b""),
                (News::Refused("why".to_owned()), b""),
                (News::NotHere { unbegun: None }, b""),
                (News::Runs { ticket: 300 }, b""),
            ]),
            letter(&[
                (done(Report::Items { parts, timing: Some((3, 1 << 50)) }), &body),
                (done(Report::One(Err(failed))), b""),
            ]),
            letter(&[(done(Report::Items { parts: vec![all], timing: None }), b"")]),
        ]
    }
    let run = |bytes: &[u8]| {
        let Ok((Sender { node: _ }, body)) = unpack::<Sender>(bytes) else {
            return "none".to_owned();
        };
        let mut said = "a letter".to_owned();
        for (Said { number: _, news }, body) in all_said(body).take(5) {
            said += &match news {
                News::Begin { .. } => " begin".to_owned(),
                News::Again { .. } => " again".to_owned(),
                News::Refused(_) => " refused".to_owned(),
                News::NotHere { .. } => " not here".to_owned(),
                News::Runs { .. } => " runs".to_owned(),
                News::Done { stored: Some(_), .. } => " stored".to_owned(),
                News::Done { report, .. } => client::read_report(report, body),
            };
        }
        said
    };
    Target {
        name: "letters",
        corpus: include_str!("../fuzz/corpus/letters.txt"),
        right,
        run: Box::new(run),
    }
}

/// What clients say to a node, and nodes to all clients.
fn answers() -> Target {
    fn right() -> Vec<Vec<u8>> {
        let client = u128::MAX / 3;
        let all = [Verdict::Go, Verdict::Wait, Verdict::Drop, Verdict::Poison];
        let verdicts = (300..).zip(all).collect();
        let id = CallId { client, number: 1 << 40 };
        vec![
            pack(&Answers { client, verdicts, confirmed: vec![7, 300, 1 << 40] }, b""),
            pack(&Answers { client, verdicts: Vec::new(), confirmed: Vec::new() }, b""),
            pack(&Shout::Kill(id), b""),
            pack(&Shout::Bye(client), b""),
            pack(&Shout::Have(id, "host/7".to_owned()), b""),
            pack(&Here { node: "host/7".to_owned(), slots: 300 }, b""),
        ]
    }
    fn said<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> String {
        unpack::<T>(bytes).map_or_else(|why| why, |_| "fine".to_owned())
    }
    let run = |bytes: &[u8]| {
        [said::<Answers>(bytes), said::<Shout>(bytes), said::<Here>(bytes)].join(", ")
    };
    Target {
        name: "answers",
        corpus: include_str!("../fuzz/corpus/answers.txt"),
        right,
        run: Box::new(run),
    }
}
