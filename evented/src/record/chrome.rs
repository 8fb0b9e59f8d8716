//! A record in the trace format of Chrome, which <https://ui.perfetto.dev> opens.
//!
//! Each class is a track, and one more is the reactor's own. Polls are slices; an arrow leads from
//! who woke a task to the poll that followed. What is shown of a task that has ended is where it was
//! spawned, if that is still in the ring: names go with the tasks.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::time::Duration;

use super::event::{Event, Polled, What};
use super::report::{Dump, Record, TaskState};
use super::who::{Cause, TaskId};

/// The track of the reactor; those of classes come after it.
const REACTOR: u32 = 0;
/// No slice is shorter: arrows have to hit it.
const SHORTEST: Duration = Duration::from_nanos(1);

/// Text inside of quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                // U+2028 and U+2029 are fine in JSON, but not in the JavaScript that it may land in.
                '\0'..='\x1F' | '\x7F' | '\u{2028}' | '\u{2029}' => {
                    write!(f, "\\u{:04x}", u32::from(char))?;
                }
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// A time in the format's microseconds.
struct Micros(Duration);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        write!(f, "{}.{:03}", nanos / 1_000, nanos % 1_000)
    }
}

/// The slice of a poll.
#[derive(Clone, Copy)]
struct Slice {
    track: u32,
    start: Duration,
    end: Duration,
}

/// A wake whose arrow has no beginning yet: it is in the poll that will be recorded next.
struct Wake {
    by: TaskId,
    woken: TaskId,
    at: Duration,
}

/// Writes events one by one.
struct Writer<'a, W> {
    out: W,
    dump: &'a Dump,
    /// Something was written: a comma is due.
    is_begun: bool,
    /// Where tasks were spawned.
    places: HashMap<TaskId, &'a str>,
    /// The last poll of each task.
    last: HashMap<TaskId, Slice>,
    /// See [`Wake`].
    wakes: Vec<Wake>,
    /// Arrows that lead to the next poll of a task.
    arrows: HashMap<TaskId, Vec<u64>>,
    /// The number of the next arrow.
    next_arrow: u64,
    /// Tasks that are known to be ready.
    ready: HashSet<TaskId>,
    /// How many tasks are alive.
    alive: usize,
}

impl Record {
    /// Writes the record as a trace that <https://ui.perfetto.dev> and `chrome://tracing` open: a track for
    /// each class with the polls, one for the reactor's waits, arrows from who woke a task
    /// to its next poll, marks, and counters of tasks and ready tasks. Many small writes are made: use
    /// a [`BufWriter`](io::BufWriter).
    ///
    /// ```
    /// let reactor = evented::Reactor::new()?;
    /// reactor.block_on(evented::yield_now());
    /// let mut trace = Vec::new();
    /// reactor.record().write_chrome_trace(&mut trace)?;
    /// assert!(trace.starts_with(b"{\"displayTimeUnit\""));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_chrome_trace(&self, out: impl Write) -> io::Result<()> {
        let spawns = |event: &Event| matches!(event.what, What::Spawn { .. });
        let ends = |event: &Event| matches!(event.what, What::Done(_));
        let count = |of: fn(&Event) -> bool| self.events().iter().filter(|event| of(event)).count();
        let (spawned, ended) = (count(spawns), count(ends));
        let living = self.dump().tasks.iter().filter(|task| task.state != TaskState::Done);
        let mut writer = Writer {
            out,
            dump: self.dump(),
            is_begun: false,
            places: HashMap::new(),
            last: HashMap::new(),
            wakes: Vec::new(),
            arrows: HashMap::new(),
            next_arrow: 0,
            ready: HashSet::new(),
            alive: (living.count() + ended).saturating_sub(spawned),
        };
        writer.begin()?;
        for event in self.events() {
            writer.event(event)?;
        }
        writer.out.write_all(b"\n]}\n")?;
        writer.out.flush()
    }
}

impl<'a, W: Write> Writer<'a, W> {
    fn begin(&mut self) -> io::Result<()> {
        self.out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        let dump = self.dump;
        let name = format!("reactor {} of process {}", dump.reactor, dump.process);
        self.meta("process_name", REACTOR, &format_args!("\"name\":\"{name}\""))?;
        self.meta("thread_name", REACTOR, &format_args!("\"name\":\"reactor\""))?;
        for (class, track) in dump.classes.iter().zip(REACTOR + 1..) {
            let name = format_args!("\"name\":\"{} (rank {})\"", Escaped(&class.name), class.rank);
            self.meta("thread_name", track, &name)?;
            let place = u32::from(class.rank) * 100 + track;
            self.meta("thread_sort_index", track, &format_args!("\"sort_index\":{place}"))?;
        }
        Ok(())
    }

    /// Writes an object: its kind, its track, and the rest.
    fn object(&mut self, phase: &str, track: u32, rest: fmt::Arguments<'_>) -> io::Result<()> {
        let comma = if std::mem::replace(&mut self.is_begun, true) { "," } else { "" };
        let pid = self.dump.process;
        write!(self.out, "{comma}\n{{\"ph\":\"{phase}\",\"pid\":{pid},\"tid\":{track},{rest}}}")
    }

    /// Writes something about a track.
    fn meta(&mut self, name: &str, track: u32, args: &fmt::Arguments<'_>) -> io::Result<()> {
        self.object("M", track, format_args!("\"name\":\"{name}\",\"args\":{{{args}}}"))
    }

    fn slice(&mut self, slice: Slice, name: &str, args: fmt::Arguments<'_>) -> io::Result<()> {
        let (name, start) = (Escaped(name), Micros(slice.start));
        let took = Micros(slice.end.saturating_sub(slice.start));
        let rest =
            format_args!("\"name\":\"{name}\",\"ts\":{start},\"dur\":{took},\"args\":{{{args}}}");
        self.object("X", slice.track, rest)
    }

    fn instant(&mut self, event: &Event, name: &str, args: fmt::Arguments<'_>) -> io::Result<()> {
        let (name, at) = (Escaped(name), Micros(event.time));
        let rest = format_args!("\"name\":\"{name}\",\"ts\":{at},\"s\":\"t\",\"args\":{{{args}}}");
        self.object("i", track_of(event), rest)
    }

    fn event(&mut self, event: &'a Event) -> io::Result<()> {
        let slice = |track: u32, took: Duration| Slice {
            track,
            start: event.time,
            end: event.time + took.max(SHORTEST),
        };
        match (&event.what, event.task) {
            (What::Poll { took, result }, Some(task)) => {
                self.poll(task, slice(track_of(event), *took), *result)
            }
            (What::Wake(cause), Some(task)) => self.wake(*cause, task, event.time),
            (What::Spawn { spawned_at, .. }, Some(task)) => {
                if let Some(place) = spawned_at {
                    self.places.insert(task, place);
                }
                self.ready.insert(task);
                self.alive += 1;
                self.counter("tasks", event.time, self.alive)
            }
            (What::Done(_), Some(task)) => {
                self.ready.remove(&task);
                self.alive = self.alive.saturating_sub(1);
                self.counter("tasks", event.time, self.alive)
            }
            (What::IoWait { took, slept, ready }, _) => {
                let name = if *slept { "sleep" } else { "look" };
                self.slice(slice(REACTOR, *took), name, format_args!("\"ready\":{ready}"))
            }
            (What::Calls { took, count }, _) => {
                self.slice(slice(REACTOR, *took), "calls", format_args!("\"count\":{count}"))
            }
            (What::Mark { label, value }, _) => {
                self.instant(event, label, format_args!("\"value\":{value}"))
            }
            (What::Overrun(took), task) => {
                self.note(event, "slow poll", task, format_args!("\"took_us\":{}", Micros(*took)))
            }
            (What::DeadlineMiss(late), task) => self.note(
                event,
                "deadline missed",
                task,
                format_args!("\"late_us\":{}", Micros(*late)),
            ),
            (What::Cancel(by), task) => {
                self.note(event, "cancel", task, format_args!("\"by\":\"{by}\""))
            }
            (What::Boost(by), task) => {
                self.note(event, "boost", task, format_args!("\"by\":\"{by}\""))
            }
            (What::Rescue, task) => {
                self.note(event, "rescue", task, format_args!("\"first\":true"))
            }
            _ => Ok(()),
        }
    }

    /// Something that happened to a task.
    fn note(
        &mut self,
        event: &Event,
        name: &str,
        task: Option<TaskId>,
        more: fmt::Arguments<'_>,
    ) -> io::Result<()> {
        let label = task.map_or_else(String::new, |task| self.label(task));
        self.instant(event, name, format_args!("\"task\":\"{}\",{more}", Escaped(&label)))
    }

    fn poll(&mut self, task: TaskId, slice: Slice, result: Polled) -> io::Result<()> {
        let (label, word) = (self.label(task), format!("{result:?}").to_lowercase());
        self.slice(slice, &label, format_args!("\"task\":\"{task}\",\"result\":\"{word}\""))?;
        for arrow in self.arrows.remove(&task).unwrap_or_default() {
            self.arrow("f", slice.track, slice.start, arrow)?;
        }
        for wake in std::mem::take(&mut self.wakes) {
            // It was in this poll, or its poll is not in the ring.
            if wake.by == task && wake.at == slice.start {
                self.begin_arrow(slice.track, wake.at, wake.woken)?;
            }
        }
        self.last.insert(task, slice);
        self.ready.remove(&task);
        if result == Polled::Yielded {
            self.ready.insert(task);
        }
        self.counter("ready tasks", slice.end, self.ready.len())
    }

    /// A task was woken: an arrow begins where that was.
    fn wake(&mut self, cause: Cause, woken: TaskId, at: Duration) -> io::Result<()> {
        self.ready.insert(woken);
        let name = match cause {
            Cause::Task(by) => {
                // After a poll that has just ended, or in the one that is recorded next.
                match self.last.get(&by).copied() {
                    Some(slice) if slice.end == at || slice.end == at + SHORTEST => {
                        return self.begin_arrow(
                            slice.track,
                            slice.end.saturating_sub(SHORTEST),
                            woken,
                        );
                    }
                    _ => self.wakes.push(Wake { by, woken, at }),
                }
                return Ok(());
            }
            Cause::Nobody | Cause::Reactor => return Ok(()),
            Cause::Descriptor => "wake by descriptor",
            Cause::Timer => "wake by timer",
            Cause::Thread => "wake by thread",
            Cause::Call => "wake by call",
        };
        let label = self.label(woken);
        let slice = Slice { track: REACTOR, start: at, end: at + SHORTEST };
        self.slice(slice, name, format_args!("\"task\":\"{}\"", Escaped(&label)))?;
        self.begin_arrow(REACTOR, at, woken)
    }

    fn begin_arrow(&mut self, track: u32, at: Duration, to: TaskId) -> io::Result<()> {
        let arrow = self.next_arrow;
        self.next_arrow += 1;
        self.arrows.entry(to).or_default().push(arrow);
        self.arrow("s", track, at, arrow)
    }

    /// One end of an arrow: `s` where it starts, `f` where it finishes.
    fn arrow(&mut self, end: &str, track: u32, at: Duration, id: u64) -> io::Result<()> {
        let bind = if end == "f" { ",\"bp\":\"e\"" } else { "" };
        let at = Micros(at);
        let rest = format_args!("\"name\":\"wake\",\"cat\":\"wake\",\"id\":{id},\"ts\":{at}{bind}");
        self.object(end, track, rest)
    }

    fn counter(&mut self, name: &str, at: Duration, value: usize) -> io::Result<()> {
        let at = Micros(at);
        let rest = format_args!("\"name\":\"{name}\",\"ts\":{at},\"args\":{{\"count\":{value}}}");
        self.object("C", REACTOR, rest)
    }

    /// What a task is called in the trace.
    fn label(&self, task: TaskId) -> String {
        let known = self.dump.task(task);
        if let Some(name) = known.and_then(|known| known.name.as_ref()) {
            return name.clone();
        }
        let place = known.and_then(|known| known.spawned_at.as_deref());
        match place.or_else(|| self.places.get(&task).copied()) {
            Some(place) => place.to_owned(),
            None => format!("task {task}"),
        }
    }
}

/// The track of a class.
fn track_of(event: &Event) -> u32 {
    match event.task {
        Some(_) => u32::from(event.class) + 1,
        None => REACTOR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let text = "a\"b\\c\n\t\r\u{1}\u{7F}\u{2028}é";
        assert_eq!(Escaped(text).to_string(), "a\\\"b\\\\c\\n\\t\\r\\u0001\\u007f\\u2028é");
    }

    #[test]
    fn times_are_microseconds() {
        assert_eq!(Micros(Duration::from_nanos(1_234_567)).to_string(), "1234.567");
        assert_eq!(Micros(Duration::from_nanos(9)).to_string(), "0.009");
    }
}
