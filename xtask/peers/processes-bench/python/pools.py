"""Python's process pools, one sample at a time: pools.py METRIC CONTENDER UNITS WORKERS.

Prints one line of JSON: the nanoseconds that the units took, the processor time where that is what
counts, how many results there were, and what they add up to.
"""

import concurrent.futures
import ctypes
import json
import multiprocessing
import multiprocessing.resource_tracker
import multiprocessing.shared_memory
import os
import signal
import sys
import tempfile
import time

SIGKILL_AT_PARENTS_DEATH = 1  # PR_SET_PDEATHSIG
BATCH = 1000
LONG = 100000


def die_with_parent():
    """Has the kernel end this process with its parent: a worker of Pool would wait for ever."""
    ctypes.CDLL(None).prctl(SIGKILL_AT_PARENTS_DEATH, signal.SIGKILL, 0, 0, 0)


def name_leftovers():
    """Names semaphores and temporary files after the process group, whose killer removes them (common/src/leftovers.rs)."""
    name = f"triptych-{os.getpgrp()}-"
    folder = tempfile.mkdtemp(prefix=name, dir=os.environ.get("TMPDIR") or "/tmp")
    tempfile.tempdir = os.environ["TMPDIR"] = folder
    config = getattr(multiprocessing.current_process(), "_config", {})
    if "semprefix" in config:
        config["semprefix"] = f"/{name.rstrip('-')}"


def same(x):
    return x


def size(data):
    return len(data)


SEGMENTS = {}
"""What this worker has opened, by name."""


def look(item):
    """The number of an item, if the byte that it stands for is 1."""
    name, x = item
    segment = SEGMENTS.get(name)
    if segment is None:
        segment = SEGMENTS[name] = multiprocessing.shared_memory.SharedMemory(name)
    return x + segment.buf[x % len(segment.buf)] - 1


def look_inside(item):
    """The same of bytes that are in the item."""
    data, x = item
    return x + data[x % len(data)] - 1


def run_and_kill(write):
    """Says who executes it, then waits to be killed."""
    os.write(write, os.getpid().to_bytes(8, "little"))
    while True:
        signal.pause()


class Pool:
    """multiprocessing.Pool."""

    def __init__(self, workers):
        self.pool = multiprocessing.Pool(workers, die_with_parent)

    def call(self, f, x):
        return self.pool.apply(f, (x,))

    def batch(self, f, xs):
        return [result.get() for result in [self.pool.apply_async(f, (x,)) for x in xs]]

    def map(self, f, xs):
        return self.pool.map(f, xs)

    def stream(self, f, xs, chunk):
        return self.pool.imap(f, xs, chunk)

    def stop(self):
        self.pool.close()
        self.pool.join()


class Executor:
    """concurrent.futures.ProcessPoolExecutor, and loky's, which has the same methods."""

    def __init__(self, workers, make=concurrent.futures.ProcessPoolExecutor):
        self.workers = workers
        self.pool = make(workers, initializer=die_with_parent)

    def call(self, f, x):
        return self.pool.submit(f, x).result()

    def batch(self, f, xs):
        return [future.result() for future in [self.pool.submit(f, x) for x in xs]]

    def map(self, f, xs):
        # The chunks that Pool.map makes; without them it takes many times as long.
        chunk = max(1, len(xs) // (4 * self.workers))
        return list(self.pool.map(f, xs, chunksize=chunk))

    def stream(self, f, xs, chunk):
        return self.pool.map(f, xs, chunksize=chunk)

    def stop(self):
        self.pool.shutdown()


def loky(workers):
    import loky

    return Executor(workers, loky.ProcessPoolExecutor)


class Pebble:
    """pebble.ProcessPool."""

    def __init__(self, workers):
        import pebble

        self.workers = workers
        self.pool = pebble.ProcessPool(workers, initializer=die_with_parent)

    def call(self, f, x):
        return self.pool.schedule(f, args=[x]).result()

    def batch(self, f, xs):
        return [call.result() for call in [self.pool.schedule(f, args=[x]) for x in xs]]

    def map(self, f, xs):
        return list(self.stream(f, xs, max(1, len(xs) // (4 * self.workers))))

    def stream(self, f, xs, chunk):
        return self.pool.map(f, xs, chunksize=chunk).result()

    def stop(self):
        self.pool.close()
        self.pool.join()


POOLS = {"py-pool": Pool, "py-executor": Executor, "loky": loky, "pebble": Pebble}


def timed(work):
    """The nanoseconds that work takes, and its result."""
    begin = time.perf_counter_ns()
    result = work()
    return time.perf_counter_ns() - begin, result


def with_pool(make, workers, units, work):
    """Times work with a pool whose workers are all up."""
    pool = make(workers)
    pool.batch(same, range(100))
    times = timed(lambda: work(pool, units))
    pool.stop()
    return times


def round_trip(pool, units):
    return [pool.call(same, x) for x in range(units)]


def batch(pool, units):
    results = []
    for begin in range(0, units, BATCH):
        results += pool.batch(same, range(begin, min(units, begin + BATCH)))
    return results


def maps_of(count):
    def work(pool, units):
        results = []
        for begin in range(0, units, count):
            results += pool.map(same, range(begin, min(units, begin + count)))
        return results

    return work


def broadcast(pool, units):
    """Maps over items that name the same 64 KiB."""
    name = f"triptych-{os.getpgrp()}-{os.getpid()}"
    segment = multiprocessing.shared_memory.SharedMemory(name, create=True, size=64 << 10)
    try:
        segment.buf[:] = b"\1" * len(segment.buf)
        results = []
        for begin in range(0, units, LONG):
            items = [(name, x) for x in range(begin, min(units, begin + LONG))]
            results += pool.map(look, items)
        return results
    finally:
        segment.close()
        segment.unlink()


def buffers(pool, units):
    """Maps over items with 1 KiB each."""
    results = []
    for begin in range(0, units, LONG):
        items = [(b"\1" * 1024, x) for x in range(begin, min(units, begin + LONG))]
        results += pool.map(look_inside, items)
    return results


def large(pool, units):
    data = bytes(1 << 20)
    sizes = list(pool.stream(size, (data for _ in range(units)), 1))
    return [x for x, found in enumerate(sizes) if found == len(data)]


def cycles(make, workers, units):
    """Start, 1,000 calls in chunks of ten, stop."""

    def work():
        results = []
        for cycle in range(units):
            pool = make(workers)
            sums = sum(pool.stream(same, range(1000), 10))
            pool.stop()
            if sums == 999 * 500:
                results.append(cycle)
        return results

    return timed(work)


def processes(start_method, units, ballast):
    """Start and join, with so many bytes in the parent."""
    data = bytearray(ballast)
    data[:: 4096] = b"x" * len(data[:: 4096])
    context = multiprocessing.get_context(start_method)

    def work():
        results = []
        for x in range(units):
            process = context.Process(target=same, args=(x,))
            process.start()
            process.join()
            if process.exitcode == 0:
                results.append(x)
        return results

    return timed(work)


def killed(make, units):
    """The 99th percentile of the times from a kill to the error that says so, for each of them."""
    times = []
    for _ in range(units):
        read, write = os.pipe()
        pool = make(1)
        call = getattr(pool.pool, "submit", None)
        future = call(run_and_kill, write) if call else pool.pool.schedule(run_and_kill, args=[write])
        pid = int.from_bytes(os.read(read, 8), "little")
        begin = time.perf_counter_ns()
        os.kill(pid, signal.SIGKILL)
        try:
            future.result()
        except Exception:  # BrokenProcessPool, ProcessExpired
            times.append(time.perf_counter_ns() - begin)
        pool.stop()
        os.close(read)
        os.close(write)
    times.sort()
    return times[-1 - len(times) // 100] * len(times), range(len(times))


def cpu_of_tree():
    """The processor time of this process and its children, in nanoseconds."""
    pids = [os.getpid()]
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as children:
            pids += [int(pid) for pid in children.read().split()]
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as times:
                total += int(times.read().split()[0])
    return total


def idle(make, workers, units):
    """The processor time of so many milliseconds without anything to do."""
    pool = make(workers)
    pool.batch(same, range(100))
    time.sleep(0.2)
    before = cpu_of_tree()
    wall, _ = timed(lambda: time.sleep(units / 1000))
    cpu = cpu_of_tree() - before
    pool.stop()
    return wall, range(units), cpu


def produce(queue, barrier, values):
    die_with_parent()
    barrier.wait()
    for value in values:
        queue.put(value)


def consume(queue, barrier, results):
    die_with_parent()
    barrier.wait()
    count = total = 0
    while (value := queue.get()) is not None:
        count += 1
        total += value
    results.put((count, total))


def through_queue(capacity, side, units):
    queue, results = multiprocessing.Queue(capacity), multiprocessing.Queue()
    barrier = multiprocessing.Barrier(2 * side + 1)
    start = [(produce, (queue, barrier, range(first, units, side))) for first in range(side)]
    producers = [multiprocessing.Process(target=f, args=x) for f, x in start]
    consumers = [
        multiprocessing.Process(target=consume, args=(queue, barrier, results)) for _ in range(side)
    ]
    for process in producers + consumers:
        process.start()
    barrier.wait()

    def work():
        for process in producers:
            process.join()
        for _ in consumers:
            queue.put(None)
        return [results.get() for _ in consumers]

    wall, found = timed(work)
    for process in consumers:
        process.join()
    return wall, found


def sample(metric, contender, units, workers):
    """Takes a sample: the time, the results, and the processor time if that is what counts."""
    if metric.startswith("worker.start"):
        ballast = 1 << 30 if metric.endswith("1gib") else 0
        return processes(contender.removeprefix("py-process-"), units, ballast)
    if metric.startswith("queue."):
        capacity, side = metric.split(".")[1:]
        return through_queue(int(capacity), int(side.split("x")[0]), units)
    if metric == "map.broadcast":
        # Before the pool: each worker would start one of its own.
        multiprocessing.resource_tracker.ensure_running()
    make = POOLS[contender]
    if metric == "pool.cycle":
        return cycles(make, workers, units)
    if metric == "cpu.idle":
        return idle(make, workers, units)
    if metric == "kill.to-result":
        return killed(make, units)
    work = {
        "call.round-trip": round_trip,
        "call.batch": batch,
        "map.1000": maps_of(1000),
        "map.100000": maps_of(100000),
        "map.broadcast": broadcast,
        "map.buffers": buffers,
        "payload.1mib": large,
    }[metric]
    return with_pool(make, workers, units, work)


def main():
    die_with_parent()
    name_leftovers()
    metric, contender, units, workers = sys.argv[1:]
    wall, found, *cpu = sample(metric, contender, int(units), int(workers))
    if metric.startswith("queue."):
        count, total = sum(count for count, _ in found), sum(total for _, total in found)
    else:
        count, total = len(found), sum(found)
    answer = {"wall_ns": wall, "cpu_ns": cpu[0] if cpu else 0, "count": count, "sum": total}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
