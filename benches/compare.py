#!/usr/bin/env python3
"""The Logstore beside SQLite+FTS5, DuckDB and `gzip -dc | grep -F`, on the same events in one run.

Prints CPU time and ratios; these machines are shared, so wall time says little. It must never compare different events,
different answers, or a warm reader with a cold one: every reader gets one unmeasured round first, the readers of a query
take turns, and what they answer must be the same.

    BENCH_EVENTS=5000000 python3 benches/compare.py TARGET/release/xtask TARGET/release/innertrail [WORK_FOLDER]

It builds `query/benches/against.rs`, the warm reader, with cargo; AGAINST names a built one. With a work folder, what
is in it is used again. Needs the wheels `duckdb` and `pytz`; without them that part is skipped, and says so.
"""

import glob
import gzip
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

EVENTS = int(os.environ.get("BENCH_EVENTS", "1000000"))
SQLITE_EVENTS = int(os.environ.get("BENCH_SQLITE_EVENTS", "100000"))
BATCH = 1000
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
LOOK_UPS = 15


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command, **options):
    """CPU seconds, wall seconds and output of a process and its children."""
    cpu, wall = children_cpu(), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode not in (0, 1):
        sys.exit(f"{command} failed: {done.stderr.decode()}")
    return children_cpu() - cpu, time.perf_counter() - wall, done.stdout


def median(values):
    return sorted(values)[len(values) // 2]


def lines(folder, most):
    count = 0
    for path in sorted(glob.glob(f"{folder}/**/*.gz", recursive=True)):
        with gzip.open(path) as file:
            for line in file:
                yield line.rstrip(b"\n")
                count += 1
                if count == most:
                    return


def ingest(innertrail, folder, data):
    cpu, wall, out = run([innertrail, "-q", "run", "--once", "--include", f"{folder}/**/*.gz", "--data-dir", data, "--format", "json"])
    told = json.loads(out)
    records = told["records"] + sum(told["quarantine"].values())
    used = sum(os.path.getsize(p) for p in glob.glob(f"{data}/**/*", recursive=True) if os.path.isfile(p))
    print(f"ingest   {records} events, {1e6 * cpu / records:.2f} us CPU an event with gunzip and plugin, {used / records:.1f} B an event on disk")
    return 1e6 * cpu / records


def sqlite_fts(folder, work):
    """Four indexes and FTS5 without positions, one transaction a batch; parsing is not counted."""
    db = sqlite3.connect(f"{work}/fts.db", isolation_level=None)
    db.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE log(id TEXT UNIQUE, request TEXT, name TEXT, time TEXT, user TEXT, event TEXT);"
        "CREATE INDEX a ON log(request); CREATE INDEX b ON log(name, time); CREATE INDEX c ON log(user);"
        "CREATE VIRTUAL TABLE words USING fts5(event, content='', detail=none);"
    )
    used, count, batch = 0.0, 0, []

    def flush():
        nonlocal used, count
        begin = time.process_time()
        db.execute("BEGIN")
        db.executemany("INSERT INTO log VALUES(?,?,?,?,?,?)", batch)
        db.executemany("INSERT INTO words(rowid, event) VALUES(?,?)", [(count + i, row[5]) for i, row in enumerate(batch)])
        db.execute("COMMIT")
        used += time.process_time() - begin
        count += len(batch)
        batch.clear()

    for line in lines(folder, SQLITE_EVENTS):
        event = json.loads(line)
        user = (event.get("userIdentity") or {}).get("userName", "")
        batch.append((event["eventId"], event.get("requestId", ""), event["eventName"], event["eventTime"], user, line.decode()))
        if len(batch) == BATCH:
            flush()
    flush()
    db.close()
    size = sum(os.path.getsize(p) for p in glob.glob(f"{work}/fts.db*"))
    print(f"sqlite   {count} events with 4 indexes and FTS5: {1e6 * used / count:.2f} us CPU an event, {size / count:.0f} B an event")
    return 1e6 * used / count


QUERIES = {
    "count": "SELECT count(*) AS n FROM log",
    "group by": "SELECT eventName, count(*) AS n FROM log GROUP BY eventName ORDER BY n DESC LIMIT 10",
    "histogram": "SELECT date_trunc('hour', it_time) AS h, count(*) AS n FROM log GROUP BY 1 ORDER BY 1",
    "name and day": "SELECT count(*) AS n FROM log WHERE eventName = 'DeleteBucket' AND it_time >= TIMESTAMP '2026-06-03 00:00:00' AND it_time < TIMESTAMP '2026-06-04 00:00:00'",
}


def against():
    """The warm reader's program, built when it is not named."""
    if "AGAINST" in os.environ:
        return os.environ["AGAINST"]
    build = ["cargo", "build", "--release", "--locked", "--workspace", "--bench", "against", "--message-format", "json"]
    built = subprocess.run(build, stdout=subprocess.PIPE, check=True, cwd=os.path.dirname(os.path.abspath(__file__)))
    said = [json.loads(line) for line in built.stdout.splitlines()]
    return [told["executable"] for told in said if told.get("target", {}).get("name") == "against"][-1]


class Warm:
    """Our reader in a process that stays, asked line by line."""

    def __init__(self, program, data):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program, "warm", data], stdin=pipe, stdout=pipe, text=True)

    def cpu(self):
        # The CPU clock of another process: clock_getcpuclockid(3) on Linux.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def ask(self, query):
        """CPU seconds, wall milliseconds, rows."""
        begin = self.cpu()
        self.process.stdin.write(query + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        return self.cpu() - begin, told["ms"], told["rows"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def same(ours, theirs):
    """Whether two answers are the same: ours as JSON, times as text; theirs as Python has it, ties in any order."""
    plain = lambda v: v.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if hasattr(v, "strftime") else v
    return sorted(map(str, ([*row.values()] for row in ours))) == sorted(str([plain(v) for v in row]) for row in theirs)


def duck(data):
    try:
        import duckdb
    except ImportError:
        print("SKIPPED: no duckdb wheel (pip install duckdb pytz)")
        return None
    con = duckdb.connect()
    con.execute("SET threads TO 2; SET TimeZone='UTC'")
    con.execute(f"CREATE VIEW log AS SELECT * FROM read_parquet('{data}/log/data/*/*.parquet')")
    return con


def queries(innertrail, data):
    con, warm = duck(data), Warm(against(), data)
    base = median([run([innertrail, "query", "--data-dir", data, "SELECT 1 AS one LIMIT 1"])[0] for _ in range(ROUNDS)])
    for name, sql in QUERIES.items():
        ours, walls, whole, theirs = [], [], [], []
        for _ in range(ROUNDS + 1):
            cpu, wall, rows = warm.ask(sql)
            ours.append(cpu)
            walls.append(wall)
            whole.append(run([innertrail, "query", "--data-dir", data, sql])[0])
            if con:
                begin = time.process_time()
                found = con.execute(sql).fetchall()
                theirs.append(time.process_time() - begin)
                if not same(rows, found):
                    sys.exit(f"{name}: the answers differ: {rows[:3]} and {found[:3]}")
        told = f"{name:14} {1e3 * median(ours[1:]):7.2f} ms CPU, {median(walls[1:]):7.1f} ms"
        if con:
            told += f"; DuckDB {1e3 * median(theirs[1:]):7.2f} ms CPU; ratio {median(ours[1:]) / median(theirs[1:]):.2f}"
        print(f"query    {told}; as a process of its own {1e3 * median(whole[1:]):.1f} ms CPU")
    warm.end()
    print(f"query    (an empty one, mostly the start of the process: {1e3 * base:.1f} ms CPU)")


def visible(innertrail, folder, work):
    """How long after its append a batch is in an answer, while a run takes in all files as fast as it can."""
    data = f"{work}/visible"
    shutil.rmtree(data, ignore_errors=True)
    command = [innertrail, "-q", "run", "--once", "--include", f"{folder}/**/*.gz", "--data-dir", data]
    writer = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not os.path.exists(f"{data}/state.json") and writer.poll() is None:
        time.sleep(0.01)
    pipe = subprocess.PIPE
    reader = subprocess.Popen([against(), "visible", data], stdin=pipe, stdout=pipe)
    writer.wait()
    told = json.loads(reader.communicate()[0])
    print(f"visible  {told['batches']} batches, {told['questions']} queries: p50 {told['p50_ms']:.0f} ms, p99 {told['p99_ms']:.0f} ms, at most {told['max_ms']:.0f} ms")
    shutil.rmtree(data)


def look_up(innertrail, folder, data):
    """Events from all over the trail, one look-up of each kind for each: a single word may meet a false positive, or be spared it."""
    files = sorted(glob.glob(f"{folder}/**/*.gz", recursive=True))
    picked = []
    for at in range(LOOK_UPS):
        with gzip.open(files[len(files) * (2 * at + 1) // (2 * LOOK_UPS)]) as file:
            oss = (event for event in map(json.loads, file) if event.get("serviceName") == "Oss")
            picked.append(next(oss))
    grep = f"for f in $(find {folder} -name '*.gz'); do gzip -dc $f; done | grep -cF {picked[0]['requestId']}"
    raw, _, found = run(["sh", "-c", grep])
    if int(found) < 1:
        sys.exit("grep found nothing: the comparison is void")
    asked = {
        "event id": lambda e: f"SELECT count(*) AS n FROM log WHERE eventId = '{e['eventId']}'",
        "request id": lambda e: f"SELECT count(*) AS n FROM log WHERE requestId = '{e['requestId']}'",
        "rare word": lambda e: f"{e['requestId']} | SELECT count(*) AS n",
    }
    for name, query in asked.items():
        rounds = []
        for event in picked:
            command = [innertrail, "query", "--data-dir", data, "--format", "ndjson", query(event)]
            run(command)
            rounds.append(run(command))
            if json.loads(rounds[-1][2])["n"] < 1:
                sys.exit(f"{name}: {event['requestId']} not found")
        cpu, walls = median([r[0] for r in rounds]), sorted(r[1] for r in rounds)
        told = f"{1e3 * cpu:.1f} ms CPU, {1e3 * median(walls):.1f} ms, at most {1e3 * walls[-1]:.1f} ms"
        print(f"look-up  {name:10} {LOOK_UPS} of them, median {told}; gzip | grep {raw:.2f} s CPU: {raw / cpu:.0f} x")


def verify(innertrail, data):
    cpu, wall, out = run([innertrail, "verify", "--data-dir", data, "--format", "json"])
    raw = json.loads(out)["raw_bytes"]
    print(f"verify   {raw / cpu / 1e6:.0f} MB of raw events a CPU second ({cpu:.2f} s CPU, {wall:.2f} s)")


def main():
    xtask, innertrail = sys.argv[1:3]
    work = sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp(prefix="innertrail-compare-")
    folder, data = f"{work}/trail", f"{work}/data"
    if not os.path.isdir(folder):
        run([xtask, "generate", "--events", str(EVENTS), "--seed", "7", "--out", folder])
    fresh = not os.path.isdir(data)
    ours = ingest(innertrail, folder, data) if fresh else None
    if ours:
        print(f"         {sqlite_fts(folder, work) / ours:.1f} x less CPU than SQLite+FTS5, with gunzip, parsing and seal on our side only")
    queries(innertrail, data)
    look_up(innertrail, folder, data)
    verify(innertrail, data)
    visible(innertrail, folder, work)
    if len(sys.argv) <= 3:
        shutil.rmtree(work)


main()
