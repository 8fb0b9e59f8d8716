//! Traces: what a known program in virtual time leaves, read by a parser that is not ours.

use std::collections::HashSet;
use std::time::Duration;

use evented::record::{Record, mark};
use evented::{Class, Reactor, Spawn, advance, handle, sleep, spawn, spawn_with, yield_now};
use serde_json::Value;

const US: Duration = Duration::from_micros(1);

/// The events of a trace.
fn trace(record: &Record) -> Vec<Value> {
    let mut text = Vec::new();
    record.write_chrome_trace(&mut text).unwrap();
    let mut whole: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(whole["displayTimeUnit"], "ns");
    let Value::Array(events) = whole["traceEvents"].take() else { panic!("no events: {whole}") };
    for event in &events {
        assert_eq!(event["pid"], std::process::id());
        assert!(event["tid"].is_u64() && event["name"].is_string(), "{event}");
    }
    events
}

/// Those of a kind and name, in order.
fn of<'a>(events: &'a [Value], phase: &str, name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["ph"] == phase && event["name"] == name).collect()
}

/// Beginning and length of slices, in microseconds.
fn times(slices: &[&Value]) -> Vec<(f64, f64)> {
    slices
        .iter()
        .map(|slice| (slice["ts"].as_f64().unwrap(), slice["dur"].as_f64().unwrap()))
        .collect()
}

/// A producer in one class wakes a consumer in another, a timer wakes the producer.
fn program() -> Record {
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    let from_afar = reactor.handle();
    reactor.block_on(async {
        let (sender, mut receiver) = evented::sync::mpsc::bounded(1);
        let producer = spawn_with(Spawn::new().name("prod\"ucer\\"), async move {
            for n in 0..2 {
                advance(100 * US);
                sender.send(n).await.unwrap();
                advance(50 * US);
                sleep(1_000 * US).await;
            }
        });
        let consumer = spawn_with(Spawn::new().name("consumer").class(Class::BATCH), async move {
            while let Some(n) = receiver.recv().await {
                mark("got", n);
                advance(30 * US);
            }
        });
        // Names are gone with their tasks.
        from_afar.call(|| advance(7 * US)).unwrap();
        sleep(1_900 * US).await;
        let record = handle().record().unwrap();
        producer.await.unwrap();
        consumer.await.unwrap();
        record
    })
}

#[test]
fn a_track_per_class_with_its_polls() {
    let record = program();
    let events = trace(&record);
    let tracks = of(&events, "M", "thread_name");
    let names: Vec<_> =
        tracks.iter().map(|track| track["args"]["name"].as_str().unwrap()).collect();
    let classes = ["RT (rank 0)", "NORMAL (rank 3)", "BATCH (rank 3)", "IDLE (rank 7)"];
    assert_eq!(names, [&["reactor"][..], &classes[..]].concat());
    let track = |name: &str| {
        tracks.iter().find(|track| track["args"]["name"] == name).unwrap()["tid"].clone()
    };
    let produced = of(&events, "X", "prod\"ucer\\");
    let consumed = of(&events, "X", "consumer");
    assert!(produced.iter().all(|slice| slice["tid"] == track("NORMAL (rank 3)")));
    assert!(consumed.iter().all(|slice| slice["tid"] == track("BATCH (rank 3)")));
    // In the first poll it finds nothing; each value costs 30, and comes at the end of the poll that sends it.
    let calls = times(&of(&events, "X", "calls"));
    assert_eq!(calls.len(), 1);
    assert!((calls[0].1 - 7.0).abs() < 1e-9);
    let long: Vec<_> = times(&consumed).into_iter().filter(|(_, took)| *took > 1.0).collect();
    assert_eq!(long.iter().map(|(_, took)| *took).collect::<Vec<_>>(), [30.0, 30.0]);
    let sent: Vec<_> = times(&produced).into_iter().filter(|(_, took)| *took > 1.0).collect();
    assert_eq!(sent.iter().map(|(_, took)| *took).collect::<Vec<_>>(), [150.0, 150.0]);
    for (sent, got) in sent.iter().zip(&long) {
        assert!((sent.0 + sent.1 - got.0).abs() < 1e-9, "{sent:?} {got:?}");
    }
    let marks = of(&events, "i", "got");
    assert_eq!(
        marks.iter().map(|mark| mark["args"]["value"].as_u64().unwrap()).collect::<Vec<_>>(),
        [0, 1]
    );
    assert!(!of(&events, "X", "sleep").is_empty());
}

#[test]
fn arrows_lead_from_wakers_to_polls() {
    let record = program();
    let events = trace(&record);
    // Every end has a beginning that is not later, and every end is at the start of a slice of its track.
    let starts = of(&events, "s", "wake");
    let ends = of(&events, "f", "wake");
    assert!(!ends.is_empty() && starts.len() >= ends.len());
    let slices: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    let covers = |slice: &Value, arrow: &Value| {
        let (start, at) = (slice["ts"].as_f64().unwrap(), arrow["ts"].as_f64().unwrap());
        slice["tid"] == arrow["tid"] && start <= at && at < start + slice["dur"].as_f64().unwrap()
    };
    let mut ids = HashSet::new();
    for start in &starts {
        assert!(ids.insert(start["id"].as_u64().unwrap()), "{start}");
        assert!(slices.iter().any(|slice| covers(slice, start)), "{start} begins nowhere");
    }
    let from_to = |end: &&Value| {
        assert_eq!(end["bp"], "e");
        let start = starts.iter().find(|start| start["id"] == end["id"]).unwrap();
        assert!(start["ts"].as_f64() <= end["ts"].as_f64(), "{start} {end}");
        let at = |arrow: &Value| {
            let slice = slices.iter().rfind(|slice| covers(slice, arrow)).unwrap();
            slice["name"].as_str().unwrap().to_owned()
        };
        (at(start), at(end))
    };
    let arrows: Vec<(String, String)> = ends.iter().map(from_to).collect();
    let is = |from: &str, to: &str| arrows.iter().any(|arrow| arrow.0 == from && arrow.1 == to);
    assert!(is("prod\"ucer\\", "consumer"), "{arrows:?}");
    assert!(is("wake by timer", "prod\"ucer\\"), "{arrows:?}");
}

/// Whoever waits for a task is woken after its last poll, which took no time.
#[test]
fn an_arrow_leads_from_a_task_to_who_joins_it() {
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    reactor.block_on(async {
        let joined = spawn(async { yield_now().await });
        let joins = spawn(joined);
        joins.await.unwrap().unwrap();
    });
    let events = trace(&reactor.record());
    // To the one that joins, and from there to `block_on`.
    let (starts, ends) = (of(&events, "s", "wake"), of(&events, "f", "wake"));
    let ids =
        |arrows: &[&Value]| arrows.iter().map(|arrow| arrow["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ends.len(), 2, "{ends:?}");
    assert_eq!(ids(&starts), ids(&ends));
}

#[test]
fn counters_count() {
    let reactor = Reactor::builder().virtual_time().build().unwrap();
    reactor.block_on(async {
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                spawn(async {
                    yield_now().await;
                    sleep(US).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let events = trace(&reactor.record());
    let values = |name: &str| -> Vec<u64> {
        of(&events, "C", name)
            .iter()
            .map(|event| event["args"]["count"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(values("tasks"), [1, 2, 3, 2, 1, 0]);
    let ready = values("ready tasks");
    // `block_on`, then each yields, and then each sleeps.
    assert_eq!(ready[..7], [3, 3, 3, 3, 2, 1, 0], "{ready:?}");
    assert_eq!((ready.iter().max(), ready.last()), (Some(&3), Some(&0)), "{ready:?}");
}

#[test]
fn a_trace_of_a_ring_that_was_overwritten_is_whole() {
    let spec = evented::record::RecorderSpec::new().events(2_048);
    let reactor = Reactor::builder().virtual_time().recorder(spec).build().unwrap();
    reactor.block_on(async {
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                spawn(async {
                    for _ in 0..300 {
                        advance(US);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let record = reactor.record();
    assert!(record.overwritten() > 0);
    let polls = trace(&record).iter().filter(|event| event["ph"] == "X").count();
    assert!(polls > 500, "{polls}");
}
