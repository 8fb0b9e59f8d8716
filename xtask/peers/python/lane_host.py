#!/usr/bin/env python3
"""Lanes of Python's standard library: threading, multiprocessing, asyncio, and one task at a time.

`lane_host.py --serve` speaks the lane protocol, one JSON message a line, on what was its standard
output; `lane_host.py --list` prints the lanes. The protocol, the jobs and the digests are those of
the Rust crate `common`: a function here that has a counterpart there says which, and has to agree
with it bit for bit.

From top to bottom: numbers, job bodies (generators), what drives them, shapes, lanes, the host.
"""

import atexit
import collections
import contextlib
import functools
import gc
import hashlib
import itertools
import json
import operator
import os
import platform
import queue
import re
import shutil
import signal
import socket
import sys
import sysconfig
import tempfile
import threading
import time
import zlib
from typing import (
    Any,
    Callable,
    Dict,
    Generator,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)

# `asyncio` and `multiprocessing` are imported by the lanes that use them: together they take longer
# to load than everything else here, and every worker process would load them again.

# --------------------------------------------------------------------------------------------------
# Numbers: 64-bit words that wrap around (common/src/rng.rs, common/src/digest.rs)
# --------------------------------------------------------------------------------------------------

WORD = (1 << 64) - 1
"""All bits of a word: `& WORD` wraps around as a `u64` does."""


def mix(z: int) -> int:
    """The number that a SplitMix64 with state `z` gives next."""
    z = (z + 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


Output = Union[int, bytes]
"""What one task gives back: a word, or bytes."""


def fingerprint(output: Output) -> int:
    """A word that stands for the output in a digest."""
    if isinstance(output, int):
        return output
    return ((len(output) << 32) & WORD) | zlib.crc32(output)


class Result(NamedTuple):
    """What became of one task; it travels back from worker processes."""

    task: int
    output: Optional[Output]
    """None: the task gave nothing back."""
    why: Optional[str] = None
    """Why it did not."""


class Outcome:
    """What came of running a plan: an order-free digest of the outputs, and who failed."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0
        self.xor = 0
        self.units = 0
        """Threads, processes or tasks that were really created for it."""
        self.failed: List[Dict[str, Any]] = []

    def take(self, result: Result) -> None:
        """Folds in what a task gave back."""
        if result.output is None:
            self.failed.append({"task": result.task, "why": result.why})
            return
        mixed = mix(mix(result.task) ^ fingerprint(result.output))
        self.count += 1
        self.sum = (self.sum + mixed) & WORD
        self.xor ^= mixed

    def to_json(self) -> Dict[str, Any]:
        """The message part; words are hexadecimal strings, as doubles would lose their low bits."""
        digest = {"count": self.count, "sum": f"{self.sum:016x}", "xor": f"{self.xor:016x}"}
        return {"digest": digest, "units": self.units, "failed": self.failed}


# --------------------------------------------------------------------------------------------------
# Jobs and plans, as they come in messages (common/src/job.rs, common/src/lane.rs)
# --------------------------------------------------------------------------------------------------


class Job(NamedTuple):
    """What the tasks of one measurement run."""

    seed: int
    kind: str
    """The name of the body."""
    body: Any
    """What its tasks need: an object, or the name of what a dummy does."""


class Plan(NamedTuple):
    """A job with what a lane has to know to run it."""

    job: Job
    shape: str
    tasks: int
    """How many tasks a bag has; 0 for other shapes."""
    overlap: int
    """How many tasks should wait at the same time; 0 where computing is the work."""
    task_timeout: Optional[float]
    """How long a single task may take, in seconds, where some task is expected to hang."""

    def width(self, workers: int) -> int:
        """How many threads or processes should share the work out."""
        wanted = max(1, self.overlap or workers)
        return min(wanted, max(1, self.tasks)) if self.shape == "bag" else wanted


def tagged(value: Any) -> Tuple[str, Any]:
    """Name and content of an enum as serde writes it: `"name"` or `{"name": content}`."""
    if isinstance(value, str):
        return value, {}
    ((name, content),) = value.items()
    return name, content


def parse_plan(message: Dict[str, Any]) -> Plan:
    """The plan in a message."""
    shape, content = tagged(message["shape"])
    timeout_ms = message.get("task_timeout_ms")
    return Plan(
        job=Job(message["job"]["seed"], *tagged(message["job"]["body"])),
        shape=shape,
        tasks=content["tasks"] if shape == "bag" else 0,
        overlap=message["overlap"],
        task_timeout=None if timeout_ms is None else timeout_ms / 1e3,
    )


# --------------------------------------------------------------------------------------------------
# Job bodies (common/src/body)
#
# A body is a generator. It yields what it waits for, as a function of the lane's input and output
# (`BlockingIo` or `AsyncIo`), is sent what came of it, and returns the output of the task.
# --------------------------------------------------------------------------------------------------


class TaskError(Exception):
    """Why a task has no output."""


Body = Generator[Callable[[Any], Any], Any, Output]

SLICE = 16_384
"""Steps of computing between two ends of a slice: some milliseconds."""

SLICE_END = operator.methodcaller("slice_end")
"""What a body yields when others that share its thread might go on."""


def steps(state: int, count: int) -> int:
    """`count` steps of xorshift64* without a break."""
    word, multiplier = WORD, 0x2545F4914F6CDD1D
    for _ in itertools.repeat(None, count):
        state ^= state >> 12
        state ^= (state << 25) & word
        state ^= state >> 27
        state = (state * multiplier) & word
    return state


def spin(start: int, iterations: int) -> Body:
    """`iterations` steps from `start`, in slices."""
    state = start | 1
    while iterations > SLICE:
        state = steps(state, SLICE)
        iterations -= SLICE
        yield SLICE_END
    return steps(state, iterations)


def iterations_of(body: Dict[str, Any], seed: int, index: int) -> int:
    """How many steps the task takes."""
    iterations, spread = body["iterations"], body["spread"]
    if spread == "uniform":
        return iterations
    if spread == "skewed":
        is_long = mix(seed ^ mix(index)) % 8 == 0
        return iterations * 9 // 2 if is_long else iterations // 2
    if spread == "straggler":
        return iterations * 16 if index + 1 == body["tasks"] else iterations
    raise TaskError(f"no way to spread work is called {spread}")


def run_spin(job: Job, index: int) -> Body:
    """Computes."""
    return spin(mix(job.seed ^ index), iterations_of(job.body, job.seed, index))


def run_wait(job: Job, index: int) -> Body:
    """Waits once."""
    yield operator.methodcaller("wait", job.body["wait_us"] / 1e6)
    return mix(job.seed ^ index)


SLICE_BYTES = 64 * 1024
"""Bytes hashed between two ends of a slice."""


@functools.lru_cache(maxsize=8)
def file_list(path: str) -> List[str]:
    """The paths in the list at `path`, read once for each process."""
    with open(path, "rb") as file:
        return json.loads(file.read())


def run_tree_hash(job: Job, index: int) -> Body:
    """SHA-256 of one file."""
    paths = file_list(job.body["list"])
    if index >= len(paths):
        raise TaskError(f"file {index} is not in the list")
    content = memoryview((yield operator.methodcaller("read_file", paths[index])))
    hasher = hashlib.sha256()
    for start in range(0, len(content), SLICE_BYTES):
        hasher.update(content[start : start + SLICE_BYTES])
        yield SLICE_END
    return hasher.digest()


MAX_LINE_BYTES = 4_096
"""The longest line that may cross the end of a piece of the log."""

SLICE_LINES = 256
"""Lines parsed between two ends of a slice."""

LINE = re.compile(rb'(\S+) \S+ \S+ \[[^\]]+\] "[A-Z]+ ([^ "]+) [^"]*" (\d{3}) (\d+) "')
"""Address, request path, status and length of a line in the combined log format, in ASCII."""


def lines_beginning_in(text: bytes, whole: bool, end: int) -> Iterator[Tuple[int, int]]:
    """Where the lines lie that begin before `end`; unless `whole`, after the first line feed."""
    at = 0
    if not whole:
        first_line_feed = text.find(b"\n")
        at = len(text) if first_line_feed < 0 else first_line_feed + 1
    while at < min(end, len(text)):
        line_feed = text.find(b"\n", at)
        line_end = len(text) if line_feed < 0 else line_feed
        yield at, line_end
        at = line_end + 1


class Aggregates:
    """Per status code: lines and bytes sent."""

    def __init__(self) -> None:
        self.by_status: Dict[int, List[int]] = {}

    def take(self, line: "re.Match[bytes]") -> None:
        """Takes one more line."""
        _, _, status, length = line.groups()
        entry = self.by_status.setdefault(int(status), [0, 0])
        entry[0] += 1
        entry[1] += int(length)

    def finish(self) -> bytes:
        """The bytes a task gives back."""
        lines = [f"{status} {lines} {sent}\n" for status, (lines, sent) in self.by_status.items()]
        # Three digits each: the order of the texts is that of the numbers.
        return "".join(sorted(lines)).encode()


class Records:
    """Address, path and length of every line."""

    def __init__(self) -> None:
        self.records = bytearray()

    def take(self, line: "re.Match[bytes]") -> None:
        """Takes one more line."""
        self.records += b"%b %b %b\n" % line.group(1, 2, 4)

    def finish(self) -> bytes:
        """The bytes a task gives back."""
        return bytes(self.records)


ANSWERS: Dict[str, Callable[[], Union[Aggregates, Records]]] = {
    "aggregates": Aggregates,
    "records": Records,
}
"""What a task gives back of its piece of the log, by name."""


def run_access_log(job: Job, index: int) -> Body:
    """Reads a piece of the log, parses the lines that begin in it, and answers."""
    piece_bytes = job.body["piece_bytes"]
    start, end = index * piece_bytes, (index + 1) * piece_bytes
    # One byte before the piece tells whether its first line begins in it.
    first = max(0, start - 1)
    text = yield operator.methodcaller("read_file", job.body["log"], first, end + MAX_LINE_BYTES)
    answer = ANSWERS[job.body["answer"]]()
    lines = lines_beginning_in(text, start == 0, end - first)
    for count, (line_start, line_end) in enumerate(lines, 1):
        line = LINE.match(text, line_start, line_end)
        if line is None:
            text_of_line = text[line_start:line_end].decode(errors="replace")
            raise TaskError(f"not a log line: {text_of_line}")
        answer.take(line)
        if count % SLICE_LINES == 0:
            yield SLICE_END
    return answer.finish()


ATTEMPTS = 5
"""How often a page is asked for before the crawl gives up on it."""

MAX_ANSWER_BYTES = 1 << 20
"""The longest answer of a web server that is read."""

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |$)")
"""The first line of an answer."""

CONTENT_LENGTH = re.compile(rb"^content-length: *(\d+) *\r?$", re.IGNORECASE | re.MULTILINE)
"""The header that tells whether an answer is whole."""

LINK = re.compile(rb'href="/p/(\d*)')
"""A link; what follows the last digit does not matter."""


def run_crawl(job: Job, page: int) -> Body:
    """Fetches the page, again while the server says 503."""
    host, _, port = job.body["upstream"].rpartition(":")
    for attempt in range(ATTEMPTS):
        request = (
            f"GET /p/{page} HTTP/1.1\r\nHost: h{page % max(1, job.body['hosts'])}.test\r\n"
            f"X-Attempt: {attempt}\r\nConnection: close\r\n\r\n"
        )
        exchange = operator.methodcaller("exchange", host.strip("[]"), int(port), request.encode())
        try:
            answer = yield exchange
        except OSError as error:
            raise TaskError(f"page {page}: {error}") from error
        status, content = split_answer(page, answer)
        if status == 200:
            return output_of_page(content)
        if status != 503:
            raise TaskError(f"page {page}: status {status}")
    raise TaskError(f"page {page}: still refused after {ATTEMPTS} attempts")


def split_answer(page: int, answer: bytes) -> Tuple[int, bytes]:
    """Status and content of an answer, which has to be a whole one of HTTP/1.1."""
    head, _, content = answer.partition(b"\r\n\r\n")
    status_line, _, headers = head.partition(b"\r\n")
    status, length = STATUS.match(status_line), CONTENT_LENGTH.search(headers)
    if status is None or length is None or int(length.group(1)) != len(content):
        raise TaskError(f"page {page}: not HTTP")
    return int(status.group(1)), content


def output_of_page(content: bytes) -> bytes:
    """CRC-32 of the page, then the pages it links to in their order, all little-endian `u32`."""
    words = [zlib.crc32(content)]
    words += (int(digits or b"0") for digits in LINK.findall(content))
    return b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in words)


def links_of(output: bytes) -> Iterator[int]:
    """The pages that the output of a crawl task links to, in their order."""
    for start in range(4, len(output) - 3, 4):
        yield int.from_bytes(output[start : start + 4], "little")


def run_fault(job: Job, index: int) -> Body:
    """Computes, but for the culprit, which goes wrong."""
    if index == job.body["culprit"]:
        go_wrong(job.body["kind"])
    return spin(mix(job.seed ^ index), job.body["iterations"])


EXIT_CODE = 3
"""Exit code of the fault `exit`."""


def go_wrong(kind: str) -> None:
    """Does what `kind` says; the process survives only a raised error."""
    if kind == "panic":
        raise RuntimeError("the culprit panics, as it was told to")
    if kind == "segfault":
        write_to_foreign_memory()
    if kind == "exit":
        os._exit(EXIT_CODE)
    if kind == "hang":
        hang()
    if kind == "memory":
        # No process can have so many bytes.
        bytearray(1 << 62)
    os.abort()


def write_to_foreign_memory() -> None:
    """Writes to an address at which nothing is mapped."""
    # Not every build of Python has it, and nothing else needs it.
    import ctypes

    ctypes.c_uint8.from_address(8).value = 1


def hang() -> None:
    """Never ends."""
    while True:
        time.sleep(3_600)


def run_dummy(job: Job, index: int) -> Body:
    """Nothing: it is the host that misbehaves."""
    yield from ()
    return mix(job.seed ^ index)


BODIES: Dict[str, Callable[[Job, int], Body]] = {
    "spin": run_spin,
    "wait": run_wait,
    "tree-hash": run_tree_hash,
    "access-log": run_access_log,
    "crawl": run_crawl,
    "fault": run_fault,
    "dummy": run_dummy,
}
"""The bodies by name."""

# --------------------------------------------------------------------------------------------------
# What drives the bodies (common/src/blocking.rs)
# --------------------------------------------------------------------------------------------------


class BlockingIo:
    """What a body may wait for, for workers that wait by blocking."""

    @staticmethod
    def wait(seconds: float) -> None:
        """Lets this time go by."""
        time.sleep(seconds)

    @staticmethod
    def read_file(path: str, start: int = 0, end: Optional[int] = None) -> bytes:
        """The content of a file, or what there is of it from `start` to `end`."""
        with open(path, "rb") as file:
            file.seek(start)
            return file.read() if end is None else file.read(end - start)

    @staticmethod
    def exchange(host: str, port: int, request: bytes) -> bytes:
        """Sends a request; all that comes back until the connection ends."""
        with socket.create_connection((host, port)) as connection:
            connection.sendall(request)
            answer = bytearray()
            while len(answer) < MAX_ANSWER_BYTES:
                received = connection.recv(MAX_ANSWER_BYTES - len(answer))
                if not received:
                    break
                answer += received
            return bytes(answer)

    @staticmethod
    def slice_end() -> None:
        """Goes on: the interpreter itself hands over between threads."""


class AsyncIo:
    """What a body may wait for, on an event loop."""

    def __init__(self, asyncio: Any, loop: Any) -> None:
        self.sleep = asyncio.sleep
        self.open_connection = asyncio.open_connection
        self.run_in_executor = loop.run_in_executor

    async def wait(self, seconds: float) -> None:
        """Lets this time go by."""
        await self.sleep(seconds)

    async def read_file(self, path: str, start: int = 0, end: Optional[int] = None) -> bytes:
        """As `BlockingIo.read_file`: asyncio reads no files, so a thread of its executor does."""
        return await self.run_in_executor(None, BlockingIo.read_file, path, start, end)

    async def exchange(self, host: str, port: int, request: bytes) -> bytes:
        """As `BlockingIo.exchange`."""
        reader, writer = await self.open_connection(host, port)
        try:
            writer.write(request)
            answer = bytearray()
            while len(answer) < MAX_ANSWER_BYTES:
                received = await reader.read(MAX_ANSWER_BYTES - len(answer))
                if not received:
                    break
                answer += received
            return bytes(answer)
        finally:
            writer.close()
            await writer.wait_closed()

    async def slice_end(self) -> None:
        """Lets the tasks that are ready go on."""
        await self.sleep(0)


def drive(body: Body) -> Output:
    """Runs a body to its end on this thread."""
    try:
        request = next(body)
        while True:
            try:
                answer = request(BlockingIo)
            except OSError as error:
                request = body.throw(error)
            else:
                request = body.send(answer)
    except StopIteration as stop:
        return stop.value


async def drive_async(body: Body, io: AsyncIo) -> Output:
    """Runs a body to its end on an event loop."""
    try:
        request = next(body)
        while True:
            try:
                answer = await request(io)
            except OSError as error:
                request = body.throw(error)
            else:
                request = body.send(answer)
    except StopIteration as stop:
        return stop.value


def failure(index: int, error: Exception) -> Result:
    """The result of a task that raised."""
    named = str(error) if isinstance(error, TaskError) else f"{type(error).__name__}: {error}"
    return Result(index, None, named)


def run_task(job: Job, index: int) -> Result:
    """Runs one task on this thread; whatever it raises is its result."""
    try:
        return Result(index, drive(BODIES[job.kind](job, index)))
    except Exception as error:
        return failure(index, error)


# --------------------------------------------------------------------------------------------------
# Shapes: which task may run next (common/src/frontier.rs)
# --------------------------------------------------------------------------------------------------


class Bag:
    """Independent tasks, all known at the start."""

    def __init__(self, tasks: int) -> None:
        self.indices = iter(range(tasks))

    def next_ready(self) -> Optional[int]:
        """A task that may run now, if there is one."""
        return next(self.indices, None)

    def finish(self, result: Result) -> None:
        """Takes what a task gave back: no other depends on it."""

    def may_grow(self) -> bool:
        """Whether tasks that are running can make others ready."""
        return False


class Frontier:
    """The pages of a crawl: each once, and never more of one virtual host at a time than allowed.

    Not locked: the lane's coordinator owns it.
    """

    def __init__(self, job: Job) -> None:
        hosts = max(1, job.body["hosts"])
        self.per_host = job.body["per_host"]
        self.ready: List["collections.deque[int]"] = [collections.deque() for _ in range(hosts)]
        self.in_flight = [0] * hosts
        self.found = {0}
        self.ready[0].append(0)
        self.turn = 0
        """The virtual host to look at first, so that all take turns."""

    def next_ready(self) -> Optional[int]:
        """A page that may be asked for now; it is in flight until it is finished."""
        hosts = len(self.ready)
        for offset in range(hosts):
            host = (self.turn + offset) % hosts
            if self.ready[host] and self.in_flight[host] < self.per_host:
                self.in_flight[host] += 1
                self.turn = (host + 1) % hosts
                return self.ready[host].popleft()
        return None

    def finish(self, result: Result) -> None:
        """Takes what came back for a page: others may become ready."""
        hosts = len(self.ready)
        self.in_flight[result.task % hosts] -= 1
        # A page that did not come back has no links, and the crawl goes on without it.
        for page in links_of(result.output) if isinstance(result.output, bytes) else ():
            if page not in self.found:
                self.found.add(page)
                self.ready[page % hosts].append(page)

    def may_grow(self) -> bool:
        """Whether pages in flight can make others ready."""
        return any(self.in_flight)


Shape = Union[Bag, Frontier]


def shape_of(plan: Plan) -> Shape:
    """The work of a plan, none of it begun."""
    if plan.shape == "bag":
        return Bag(plan.tasks)
    if plan.job.kind != "crawl":
        raise LaneError("unsupported: this job is no graph")
    return Frontier(plan.job)


# --------------------------------------------------------------------------------------------------
# Lanes (common/src/lane.rs)
#
# A lane is a class: `name` and `what` for the harness, `support` says how it can run a plan, making
# an instance opens a session, `run` runs a plan, `close` ends all that the session started.
# --------------------------------------------------------------------------------------------------


class LaneError(Exception):
    """Why a lane gave no outcome at all."""


NATIVE = {"kind": "native"}
"""The lane runs the plan as its model is meant to be used."""


def no(why: str) -> Dict[str, Any]:
    """The lane does not run the plan."""
    return {"kind": "no", "why": why}


def ceiling(most: int, why: str) -> Dict[str, Any]:
    """The lane runs fewer tasks at the same time than asked for."""
    return {"kind": "ceiling", "max": most, "why": why}


LONGEST_WAITS_US = 2_000_000
"""Longest time that waits may take one after another before a lane declines."""


def decline_long_waits(plan: Plan, most: int) -> Optional[Dict[str, Any]]:
    """The refusal of waits that would take too long with at most `most` of them at a time."""
    if plan.job.kind != "wait" or plan.shape != "bag":
        return None
    in_a_row = -(-plan.tasks // most)
    total_us = plan.job.body["wait_us"] * in_a_row
    if total_us <= LONGEST_WAITS_US:
        return None
    waits = "one wait after another" if most == 1 else f"the waits, {most} at a time,"
    return no(f"{waits} would take {total_us / 1e6:.0f} s")


class Sequential:
    """One task after another: the denominator of the other Python lanes (common/src/seq.rs)."""

    name = "py-seq"
    what = "one task after another, no concurrency at all"

    def __init__(self, workers: int, plan: Plan) -> None:
        pass

    @staticmethod
    def support(plan: Plan) -> Dict[str, Any]:
        """Everything but waits that would take too long one after another."""
        if plan.job.kind == "crawl":
            return ceiling(1, "one request at a time")
        return decline_long_waits(plan, 1) or NATIVE

    def run(self, plan: Plan) -> Outcome:
        """Runs the plan on this thread."""
        outcome = Outcome()
        outcome.units = 1
        shape = shape_of(plan)
        for index in iter(shape.next_ready, None):
            result = run_task(plan.job, index)
            shape.finish(result)
            outcome.take(result)
        return outcome

    def close(self) -> None:
        """Nothing was started."""


MOST_THREADS = 10_000
"""Threads that the lane starts at most, if the system allows as many."""

SPARE_THREADS = 64
"""Threads that the lane leaves to others where a control group limits them."""


def thread_limits() -> Iterator[Tuple[int, str]]:
    """What limits how many threads this process can start, each limit with a sentence."""
    yield MOST_THREADS, f"this lane starts {MOST_THREADS} threads at most"
    with contextlib.suppress(ImportError, OSError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_NPROC)
        # All that the user runs counts, so half is a guess; the limit does not bind root.
        if limit != resource.RLIM_INFINITY and os.geteuid() != 0:
            yield max(1, limit // 2), f"the user may have {limit} threads in all (ulimit -u)"
    with contextlib.suppress(OSError):
        for most, used in cgroup_task_limits():
            free = max(1, most - used - SPARE_THREADS)
            yield free, f"the control group may have {most} threads in all (pids.max)"


def cgroup_task_limits() -> Iterator[Tuple[int, int]]:
    """Limit and present count of the tasks in this control group and those around it."""
    for line in read_text("/proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers not in ("", "pids"):
            continue
        while True:
            folder = os.path.join("/sys/fs/cgroup", controllers, group.strip("/"))
            with contextlib.suppress(OSError, ValueError):
                # Not a number: "max". Not there: the root has no limit.
                most = int(read_text(os.path.join(folder, "pids.max")))
                yield most, int(read_text(os.path.join(folder, "pids.current")))
            if group.strip("/") == "":
                break
            group = os.path.dirname(group)


def read_text(path: str) -> str:
    """The content of a small file."""
    with open(path, encoding="utf-8") as file:
        return file.read()


class SharedWork:
    """A shape that threads pull from: a monitor, so that each task is handed out once."""

    def __init__(self, plan: Plan) -> None:
        self.shape = shape_of(plan)
        self.changed = threading.Condition(threading.Lock())
        """Guards everything here; tells threads without work that there may be some."""
        self.in_flight: Dict[int, None] = {}
        """The tasks that are running, in the order in which they were begun."""
        self.results: List[Result] = []
        self.last_result = time.monotonic()
        """When the last result came in."""
        self.is_stopped = False

    def next(self, done: Optional[Result]) -> Optional[int]:
        """Takes the result of the last task, gives the next one; None: there is no more."""
        with self.changed:
            # What comes in after the time limit comes too late: it is already counted as failed.
            if done is not None and not self.is_stopped:
                self.finish(done)
            while not self.is_stopped:
                index = self.shape.next_ready()
                if index is not None:
                    self.in_flight[index] = None
                    return index
                if not self.shape.may_grow():
                    return None
                self.changed.wait()
            return None

    def finish(self, done: Result) -> None:
        """Keeps a result. The lock is held."""
        del self.in_flight[done.task]
        self.results.append(done)
        self.last_result = time.monotonic()
        self.shape.finish(done)
        # Nobody waits on a bag, and then this does nothing.
        self.changed.notify_all()

    def stop(self, why: str) -> None:
        """Hands out no more: what is running, and what is ready and was not begun, has failed."""
        with self.changed:
            self.is_stopped = True
            self.results += (Result(index, None, why) for index in self.in_flight)
            never_begun = iter(self.shape.next_ready, None)
            self.results += (Result(index, None, "it was never begun") for index in never_begun)
            self.changed.notify_all()


class Threads:
    """Plain threads that pull tasks; one for each wait that should overlap.

    They are started in the run, as `ThreadPoolExecutor` does on its first tasks: what a thread
    costs is part of the model. A thread cannot be stopped from outside: one that hangs is named and
    left behind.
    """

    name = "py-threads"
    what = "threads (threading) that pull tasks; one for each overlapping wait"

    def __init__(self, workers: int, plan: Plan) -> None:
        self.workers = workers

    @staticmethod
    def support(plan: Plan) -> Dict[str, Any]:
        """Everything, with as many overlapping waits as there can be threads."""
        most, why = min(thread_limits())
        return ceiling(most, why) if plan.overlap > most else NATIVE

    def run(self, plan: Plan) -> Outcome:
        """Starts the threads, joins them, folds what they left."""
        most, _ = min(thread_limits()) if plan.overlap > 0 else (MOST_THREADS, "")
        work = SharedWork(plan)
        threads = self.start_threads(min(most, plan.width(self.workers)), plan.job, work)
        if plan.task_timeout is None:
            for thread in threads:
                thread.join()
        else:
            self.join_within(threads, work, plan.task_timeout)
        outcome = Outcome()
        outcome.units = len(threads)
        for result in work.results:
            outcome.take(result)
        return outcome

    @staticmethod
    def start_threads(count: int, job: Job, work: SharedWork) -> List[threading.Thread]:
        """Starts `count` threads, or none."""
        threads: List[threading.Thread] = []
        try:
            for _ in range(count):
                # A daemon: one that hangs must not keep the host from ending.
                thread = threading.Thread(target=pull, args=(job, work), daemon=True)
                thread.start()
                threads.append(thread)
        except (RuntimeError, MemoryError) as error:
            work.stop("too few threads")
            for thread in threads:
                thread.join()
            place = f"thread {len(threads) + 1} of {count}"
            raise LaneError(f"failed to start {place}: {error}") from error
        return threads

    @staticmethod
    def join_within(threads: List[threading.Thread], work: SharedWork, timeout: float) -> None:
        """Joins all threads, but gives up when no task at all has ended for a task's time."""
        for thread in threads:
            while thread.is_alive():
                left = work.last_result + timeout - time.monotonic()
                if left <= 0:
                    work.stop(f"no result within {timeout * 1e3:.0f} ms; its thread goes on")
                    return
                thread.join(left)

    def close(self) -> None:
        """The threads have ended with the run, but for those that hang."""


def pull(job: Job, work: SharedWork) -> None:
    """What each thread does: one task after another until there is no more."""
    index = work.next(None)
    while index is not None:
        index = work.next(run_task(job, index))


MOST_PROCESSES = 32
"""Worker processes that the lane starts at most."""

READY_WITHIN_S = 60.0
"""How long worker processes may take to start before the session is given up."""

PRELOADED = [
    "__main__",
    "contextlib",
    "hashlib",
    "json",
    "multiprocessing.pool",
    "platform",
    "socket",
    "sysconfig",
    "typing",
]
"""What the fork server loads once, so that its workers do not load it again.

`__main__` is this file; versions without the fix of CPython issue 126631 (2025) overlook it there,
and each worker then loads it for itself.
"""


class Processes:
    """`multiprocessing.Pool`, used as its documentation says.

    A worker that dies takes its task along: the pool starts another worker, but nobody ever hears
    of the task again, and whoever waits for its result waits for ever (CPython issue 66587). That
    is what is to be shown, so nothing here helps: the harness has a deadline.
    """

    name = "py-mp"
    what = "worker processes (multiprocessing.Pool), tasks sent one at a time"

    def __init__(self, workers: int, plan: Plan) -> None:
        context = process_context()
        self.count = min(MOST_PROCESSES, plan.width(workers))
        try:
            ready = context.Semaphore(0)
            self.pool = context.Pool(self.count, initializer=announce, initargs=(ready,))
        except (ImportError, OSError) as error:
            raise LaneError(f"failed to start {self.count} worker processes: {error}") from error
        # A pool does not wait for its workers to start, but starting is not what is measured.
        for place in range(1, self.count + 1):
            if not ready.acquire(timeout=READY_WITHIN_S):
                self.close()
                missing = f"worker process {place} of {self.count}"
                raise LaneError(f"failed to start {missing} within {READY_WITHIN_S:.0f} s")

    @staticmethod
    def prepare() -> None:
        """Starts what belongs to the interpreter rather than to a session.

        The fork server and the resource tracker are there for all pools, and there is no public way
        to end them: they end with this process.
        """
        name_leftovers()
        if start_method() == "forkserver":
            from multiprocessing import forkserver

            process_context().set_forkserver_preload(PRELOADED)
            # Starts the resource tracker too.
            forkserver.ensure_running()

    @staticmethod
    def support(plan: Plan) -> Dict[str, Any]:
        """Everything, with few overlapping waits."""
        if plan.overlap > MOST_PROCESSES:
            why = "each wait needs a process: some 10 MB, and tens of milliseconds to start"
            return decline_long_waits(plan, MOST_PROCESSES) or ceiling(MOST_PROCESSES, why)
        return NATIVE

    def run(self, plan: Plan) -> Outcome:
        """Sends the tasks, folds what comes back."""
        outcome = Outcome()
        outcome.units = self.count
        if plan.shape != "bag":
            results = self.run_as_they_become_ready(plan)
        elif plan.task_timeout is not None:
            results = self.run_within(plan, plan.task_timeout)
        else:
            task = functools.partial(run_task, plan.job)
            results = self.pool.imap_unordered(task, range(plan.tasks), chunksize=1)
        for result in results:
            outcome.take(result)
        return outcome

    def run_as_they_become_ready(self, plan: Plan) -> Iterator[Result]:
        """The results of tasks of which some become ready as others finish."""
        shape = shape_of(plan)
        results: "queue.SimpleQueue[Result]" = queue.SimpleQueue()
        in_flight = 0
        while True:
            for index in iter(shape.next_ready, None):
                self.pool.apply_async(run_task, (plan.job, index), callback=results.put)
                in_flight += 1
            if in_flight == 0:
                return
            result = results.get()
            in_flight -= 1
            shape.finish(result)
            yield result

    def run_within(self, plan: Plan, timeout: float) -> Iterator[Result]:
        """The results of the tasks of a bag, but no more once none has come for a task's time."""
        results: "queue.SimpleQueue[Result]" = queue.SimpleQueue()
        missing = set(range(plan.tasks))
        for index in range(plan.tasks):
            self.pool.apply_async(run_task, (plan.job, index), callback=results.put)
        with contextlib.suppress(queue.Empty):
            while missing:
                result = results.get(timeout=timeout)
                missing.remove(result.task)
                yield result
        for index in sorted(missing):
            yield Result(index, None, f"no result within {timeout * 1e3:.0f} ms")

    def close(self) -> None:
        """Ends the workers, one that hangs too, and waits for them."""
        self.pool.terminate()
        self.pool.join()


def start_method() -> str:
    """How worker processes are started.

    Not by `fork` from here, although that is the default on Linux before Python 3.14: a pool has
    threads of its own and starts workers while they run, and a fork of a process with threads can
    inherit a lock that nobody will ever release. A fork server is free of threads.
    """
    import multiprocessing

    methods = multiprocessing.get_all_start_methods()
    return "forkserver" if "forkserver" in methods else "spawn"


def process_context() -> Any:
    """The part of `multiprocessing` that starts processes that way."""
    import multiprocessing

    return multiprocessing.get_context(start_method())


@functools.lru_cache(maxsize=None)
def name_leftovers() -> None:
    """Has, once and for all, semaphores and temporary files named after this process group, here and in the workers.

    A process of Python's removes them in the end; but the harness kills that one too when it kills the
    group. It then knows by their names what was left (common/src/leftovers.rs). There is no public way
    to choose the names of semaphores; where this one does not work they have the usual ones.
    """
    name = f"triptych-{os.getpgrp()}-"
    with contextlib.suppress(OSError):
        # Where the harness looks, which Python's own choice may not be.
        parent = os.environ.get("TMPDIR") or "/tmp"
        folder = tempfile.mkdtemp(prefix=name, dir=parent)
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        # Registered before multiprocessing's, it is called after that.
        atexit.register(remove_own, folder, os.getpid())
    import multiprocessing

    config = getattr(multiprocessing.current_process(), "_config", None)
    if isinstance(config, dict) and "semprefix" in config:
        config["semprefix"] = f"/{name.rstrip('-')}"


def remove_own(folder: str, owner: int) -> None:
    """Removes a folder at the end of the process that made it, and not of a copy of that one."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def announce(ready: Any) -> None:
    """Says, first thing in a new worker process, that it is there."""
    die_with_the_parent()
    ready.release()


MOST_ASYNC_TASKS = 256
"""Tasks that exist at once where the plan asks for no overlap, so that memory is bounded."""


class Asyncio:
    """Tasks on one event loop, on the thread that runs it.

    Computing runs on the loop too, in slices. A task that does not give the loop back stops all of
    them: there is nothing left that could notice a time limit.
    """

    name = "py-asyncio"
    what = "tasks on one event loop (asyncio); computing inline, in slices"

    def __init__(self, workers: int, plan: Plan) -> None:
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        self.asyncio = asyncio
        self.loop = asyncio.new_event_loop()
        # The same as the loop would make for itself, but this one can be waited for.
        self.executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
        self.loop.set_default_executor(self.executor)
        self.io = AsyncIo(asyncio, self.loop)

    @staticmethod
    def support(plan: Plan) -> Dict[str, Any]:
        """Everything; files with the help of threads."""
        if plan.job.kind in ("tree-hash", "access-log"):
            return {"kind": "hybrid", "with": "the loop's executor: threads that read the files"}
        return NATIVE

    def run(self, plan: Plan) -> Outcome:
        """Runs the loop until all tasks are done."""
        return self.loop.run_until_complete(self.coordinate(plan))

    async def coordinate(self, plan: Plan) -> Outcome:
        """Starts tasks as they become ready, folds what they give back."""
        outcome = Outcome()
        shape = shape_of(plan)
        results: Any = self.asyncio.Queue()
        most = plan.overlap or MOST_ASYNC_TASKS
        # The loop itself holds tasks weakly.
        in_flight: Dict[int, Any] = {}
        while True:
            while len(in_flight) < most:
                index = shape.next_ready()
                if index is None:
                    break
                in_flight[index] = self.loop.create_task(self.run_one(plan.job, index, results))
                outcome.units += 1
            if not in_flight:
                return outcome
            result = await results.get()
            del in_flight[result.task]
            shape.finish(result)
            outcome.take(result)

    async def run_one(self, job: Job, index: int, results: Any) -> None:
        """Runs one task; whatever it raises is its result."""
        try:
            output = await drive_async(BODIES[job.kind](job, index), self.io)
            results.put_nowait(Result(index, output))
        except Exception as error:
            results.put_nowait(failure(index, error))

    def close(self) -> None:
        """Ends the executor's threads and the loop."""
        self.executor.shutdown(wait=True)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


Session = Union[Sequential, Threads, Processes, Asyncio]

LANES = {lane.name: lane for lane in (Sequential, Threads, Processes, Asyncio)}
"""The lanes by name."""


def support_of(lane: Any, plan: Plan) -> Dict[str, Any]:
    """How a lane can run a plan, which may come from a newer harness."""
    if plan.job.kind not in BODIES:
        return no(f"the Python host knows no job called {plan.job.kind}")
    if plan.shape not in ("bag", "graph"):
        return no(f"the Python host knows no shape called {plan.shape}")
    return lane.support(plan)


# --------------------------------------------------------------------------------------------------
# The host (common/src/host, common/src/protocol.rs)
# --------------------------------------------------------------------------------------------------

VERSION = 1
"""The version of the protocol."""


class ProtocolError(Exception):
    """What came in is no request."""


class Request(NamedTuple):
    """What the harness asks."""

    kind: str
    lane: str
    workers: int
    plan: Optional[Plan]
    budget_ms: int


def parse_request(line: bytes) -> Request:
    """The request in a line; fields that are not known here are ignored."""
    try:
        message = json.loads(line.decode())
        return Request(
            kind=message["t"],
            lane=message.get("lane", ""),
            workers=message.get("config", {}).get("workers", 1),
            plan=parse_plan(message["plan"]) if "plan" in message else None,
            budget_ms=message.get("budget_ms", 0),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"not a request: {error!r}") from error


class Channel:
    """The host's end of the stream: requests on standard input, replies on what was its output."""

    def __init__(self) -> None:
        """Takes standard output and points descriptor 1 at standard error, for stray prints."""
        sys.stdout.flush()
        self.output = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    @staticmethod
    def requests() -> Iterator[Request]:
        """The requests until the end of the input."""
        return map(parse_request, iter(sys.stdin.buffer.readline, b""))

    def send(self, kind: str, **fields: Any) -> None:
        """Sends a reply."""
        self.send_line(json.dumps({"t": kind, **fields}, separators=(",", ":")))

    def send_line(self, line: str) -> None:
        """Sends a line."""
        self.output.write(line.encode() + b"\n")
        self.output.flush()


LEFT_WITHIN_S = 1.0
"""How long something that has been joined may take to be gone from the system's lists."""


class Census:
    """Threads, children and descriptors of this process; None: this platform does not tell."""

    def __init__(self) -> None:
        self.counts: Dict[str, Optional[int]] = {
            "threads": count_entries("/proc/self/task"),
            "children": count_descendants(os.getpid()),
            "descriptors": count_entries("/proc/self/fd"),
        }

    def left(self) -> Dict[str, Optional[int]]:
        """What there is now over what there was.

        A thread that Python has joined is on the system's list for another moment, and what only
        waits for the collector of cycles is not left behind.
        """
        gc.collect()
        give_up = time.monotonic() + LEFT_WITHIN_S
        while True:
            left = self.over(Census())
            is_clean = all(count is None or count <= 0 for count in left.values())
            if is_clean or time.monotonic() > give_up:
                return left
            time.sleep(0.001)

    def over(self, now: "Census") -> Dict[str, Optional[int]]:
        """What `now` has more than this."""
        over: Dict[str, Optional[int]] = {}
        for name, count in self.counts.items():
            count_now = now.counts[name]
            over[name] = None if count is None or count_now is None else count_now - count
        return over


def count_entries(directory: str) -> Optional[int]:
    """Entries of a directory."""
    try:
        return len(os.listdir(directory))
    except OSError:
        return None


def count_descendants(process: int) -> Optional[int]:
    """Children of a process and theirs: workers are children of the fork server."""
    count = 0
    folder = f"/proc/{process}/task"
    try:
        threads = os.listdir(folder)
    except OSError:
        # It ended meanwhile, or this platform does not tell.
        return None
    for thread in threads:
        # A thread may end while it is looked at: it has no children any more.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in read_text(f"{folder}/{thread}/children").split():
                count += 1 + (count_descendants(int(child)) or 0)
    return count


def runtime() -> str:
    """What the lanes run on."""
    implementation = platform.python_implementation().replace("CPython", "Python")
    build = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    # Before Python 3.13 nobody could ask, because the answer was always yes.
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return f"{implementation} {platform.python_version()}{build}, {'GIL' if has_gil else 'no GIL'}"


CALIBRATION_STEPS = 16_000
"""Steps timed at once."""


def ns_per_iteration(budget_ms: int) -> float:
    """Time of one step of computing: the fastest of the repetitions that fit into the budget."""
    give_up = time.perf_counter_ns() + budget_ms * 1_000_000
    fastest = None
    while True:
        start = time.perf_counter_ns()
        drive(spin(1, CALIBRATION_STEPS))
        end = time.perf_counter_ns()
        fastest = end - start if fastest is None else min(fastest, end - start)
        if end >= give_up:
            return fastest / CALIBRATION_STEPS


class Host:
    """A lane host at work for the harness."""

    def __init__(self) -> None:
        self.channel = Channel()
        self.session: Optional[Session] = None
        """The lane that is open."""
        self.before: Optional[Census] = None
        """What the process had before."""

    def serve(self) -> None:
        """Says hello, then answers until `bye` or the end of the input."""
        lanes = [
            {"name": lane.name, "language": "python", "what": lane.what} for lane in LANES.values()
        ]
        self.channel.send("hello", version=VERSION, host="python", runtime=runtime(), lanes=lanes)
        for request in self.channel.requests():
            if dummy_to_run(request) == "rubbish":
                self.channel.send_line("this is not a message")
            try:
                self.answer(request)
            except LaneError as error:
                self.end_session()
                self.channel.send("error", why=str(error))
            if request.kind == "bye":
                return

    def answer(self, request: Request) -> None:
        """Does what is asked and replies."""
        answers = {
            "calibrate": self.calibrate,
            "support": self.support,
            "open": self.open,
            "run": self.run,
            "close": self.close,
            "bye": self.bye,
        }
        if request.kind not in answers:
            raise ProtocolError(f"no request is called {request.kind}")
        answers[request.kind](request)

    def calibrate(self, request: Request) -> None:
        """Times computing."""
        self.channel.send("calibrated", ns_per_iteration=ns_per_iteration(request.budget_ms))

    def support(self, request: Request) -> None:
        """Says how a lane could run the plan."""
        support = support_of(lane_of(request), plan_of(request))
        self.channel.send("support", support=support)

    def open(self, request: Request) -> None:
        """Makes a lane ready."""
        plan = plan_of(request)
        if plan.job.kind == "dummy" and plan.job.body == "set-up":
            raise LaneError("failed to set the lane up: it was told to fail")
        lane = lane_of(request)
        support = support_of(lane, plan)
        if support["kind"] == "no":
            raise LaneError(f"unsupported: {support['why']}")
        if lane is Processes:
            Processes.prepare()
        self.before = Census()
        self.session = lane(request.workers, plan)
        self.channel.send("opened")

    def run(self, request: Request) -> None:
        """Runs the plan and times it."""
        if self.session is None:
            raise LaneError("unsupported: no lane is open")
        plan = plan_of(request)
        start = time.perf_counter_ns()
        outcome = self.session.run(plan)
        wall_ns = time.perf_counter_ns() - start
        misbehave(dummy_to_run(request), outcome)
        self.channel.send("outcome", wall_ns=wall_ns, outcome=outcome.to_json())

    def close(self, _: Request) -> None:
        """Ends the session, says what is left of it."""
        if self.session is None or self.before is None:
            raise LaneError("unsupported: no lane is open")
        self.end_session()
        self.channel.send("closed", left=self.before.left())

    def end_session(self) -> None:
        """Ends all that the lane has started, if one is open."""
        if self.session is not None:
            self.session.close()
        self.session = None

    def bye(self, _: Request) -> None:
        """Takes leave."""
        self.channel.send("bye")


def lane_of(request: Request) -> Any:
    """The lane that a request names."""
    if request.lane not in LANES:
        raise LaneError(f"unsupported: this host has no lane {request.lane}")
    return LANES[request.lane]


def plan_of(request: Request) -> Plan:
    """The plan of a request that has to have one."""
    if request.plan is None:
        raise ProtocolError(f"{request.kind} without a plan")
    return request.plan


def dummy_to_run(request: Request) -> Optional[str]:
    """How the host itself is to misbehave on this request, if it is."""
    if request.kind == "run" and request.plan is not None and request.plan.job.kind == "dummy":
        return request.plan.job.body
    return None


def misbehave(dummy: Optional[str], outcome: Outcome) -> None:
    """Does what a dummy says."""
    if dummy == "wrong-digest":
        outcome.sum ^= 1
    elif dummy == "panic":
        raise RuntimeError("the host panics, as it was told to")
    elif dummy == "crash":
        os.abort()
    elif dummy == "hang":
        hang()


PR_SET_PDEATHSIG = 1
"""The option of prctl(2), on Linux."""


def die_with_the_parent() -> None:
    """From now on the kernel kills this process when its parent ends, however it does.

    A task that hangs would never notice the end of its input. Where there is no such thing, the end
    of the input is all there is.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


USAGE = "usage: lane_host.py --list    (or --serve, for the harness: see README.md beside it)"


def main(arguments: List[str]) -> int:
    """Serves or lists; returns the exit code."""
    if sys.version_info < (3, 8):
        print("lane_host.py: needs Python 3.8 or newer", file=sys.stderr)
        return 1
    if arguments == ["--serve"]:
        die_with_the_parent()
        try:
            Host().serve()
        except (ProtocolError, OSError) as error:
            print(f"python: failed to talk to the harness: {error}", file=sys.stderr)
            return 1
        return 0
    if arguments == ["--list"]:
        for lane in LANES.values():
            print(f"{lane.name:<12} {lane.what}")
        return 0
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
