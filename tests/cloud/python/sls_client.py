"""The official SLS SDK against the SLS double: puts, pulls under both signatures, and a consumer library that resumes.

Started by the tests with one JSON argument: {"proxy": "http://127.0.0.1:PORT", "project": …, "logstore": …}. It prints one
line of JSON with what it saw. It must never reach any host but the proxy: every name it uses ends in .test.
"""

import json
import os
import sys
import time

setup = json.loads(sys.argv[1])
os.environ["http_proxy"] = setup["proxy"]
os.environ.pop("no_proxy", None)
os.environ.pop("NO_PROXY", None)

from aliyun.log import LogClient, LogException, LogItem, PutLogsRequest  # noqa: E402
from aliyun.log.consumer import ConsumerProcessorBase, ConsumerWorker, CursorPosition, LogHubConfig  # noqa: E402

ENDPOINT = "http://cn-hangzhou.log.example.test"
PROJECT, LOGSTORE = setup["project"], setup["logstore"]
READER, WRITER = "LTAI-EXAMPLE-reader", "LTAI-EXAMPLE-writer"


def client(key, version):
    secret = "example-secret-of-" + key.rsplit("-", 1)[1]
    return LogClient(ENDPOINT, key, secret, auth_version=version, region="cn-hangzhou")


def put(sdk, first, count, **how):
    """Puts `count` events as one group; gives their ids."""
    ids = ["python-%05d" % n for n in range(first, first + count)]
    events = [json.dumps({"eventId": one, "eventName": "GetObject"}) for one in ids]
    logs = [LogItem(timestamp=int(time.time()), contents=[("event", event)]) for event in events]
    sdk.put_logs(PutLogsRequest(PROJECT, LOGSTORE, "actiontrail_audit_event", "python", logs, **how))
    return ids


def ids_of(groups):
    return [
        json.loads(content.Value)["eventId"]
        for group in groups
        for log in group.Logs
        for content in log.Contents
        if content.Key == "event"
    ]


def pull_all(sdk, compress):
    """Everything in every shard, in pages of two groups."""
    out = []
    for shard in sdk.list_shards(PROJECT, LOGSTORE).get_shards_info():
        number = shard["shardID"]
        cursor = sdk.get_begin_cursor(PROJECT, LOGSTORE, number).get_cursor()
        end = sdk.get_end_cursor(PROJECT, LOGSTORE, number).get_cursor()
        while cursor != end:
            page = sdk.pull_logs(PROJECT, LOGSTORE, number, cursor, count=2, end_cursor=end, compress=compress)
            out += ids_of(page.get_loggroup_list().LogGroups)
            cursor = page.get_next_cursor()
    return out


def refused(call):
    try:
        call()
    except LogException as error:
        return [error.get_resp_status(), error.get_error_code()]
    return None


class Collect(ConsumerProcessorBase):
    """Notes every id, and stores a checkpoint after each page."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def process(self, log_groups, check_point_tracker):
        self.seen += ids_of(log_groups.LogGroups)
        self.save_checkpoint(check_point_tracker, force=True)


def consume(names, want, seconds):
    """Runs one consumer a name, with both signatures in turn, until they have seen `want` events; gives all ids seen."""
    seen, workers = [], []
    for turn, name in enumerate(names):
        option = LogHubConfig(
            ENDPOINT, READER, "example-secret-of-reader", PROJECT, LOGSTORE, "python-group", name,
            cursor_position=CursorPosition.BEGIN_CURSOR, heartbeat_interval=2, data_fetch_interval=0.1,
            max_fetch_log_group_size=2, auth_version=("v1", "v4")[turn % 2], region="cn-hangzhou",
        )
        workers.append(ConsumerWorker(Collect, option, args=(seen,)))
    for worker in workers:
        worker.start()
    until = time.time() + seconds
    while len(seen) < want and time.time() < until:
        time.sleep(0.05)
    # A moment longer, so that what comes twice is seen.
    time.sleep(0.5)
    for worker in workers:
        worker.shutdown()
    for worker in workers:
        worker.join()
    return sorted(seen)


def main():
    writers = {version: client(WRITER, version) for version in ("v1", "v4")}
    readers = {version: client(READER, version) for version in ("v1", "v4")}
    written = []
    for turn, version in enumerate(("v1", "v4") * 6):
        written += put(writers[version], turn * 10, 10, compress=turn % 3 != 0)
    written += put(writers["v4"], 120, 5, hashKey="00" * 16)
    out = {"written": written}
    for version, sdk in readers.items():
        out["pulled_" + version] = sorted(pull_all(sdk, True))
        out["plain_" + version] = sorted(pull_all(sdk, False))
        out["project_" + version] = sdk.get_project(PROJECT).get_region()
        out["logstore_" + version] = sdk.get_logstore(PROJECT, LOGSTORE).get_shard_count()
        out["index_" + version] = sdk.get_index_config(PROJECT, LOGSTORE).get_index_config().ttl
    sdk = readers["v4"]
    begin = sdk.get_begin_cursor(PROJECT, LOGSTORE, 0).get_cursor()
    out["cursor_time"] = abs(sdk.get_cursor_time(PROJECT, LOGSTORE, 0, begin).get_cursor_time() - time.time()) < 600
    out["refused_put"] = refused(lambda: put(readers["v4"], 900, 1))
    out["refused_delete"] = refused(lambda: sdk.delete_logstore(PROJECT, LOGSTORE))
    out["refused_cursor"] = refused(lambda: sdk.pull_logs(PROJECT, LOGSTORE, 0, "MTIz"))
    out["refused_secret"] = refused(lambda: LogClient(ENDPOINT, READER, "wrong").get_project(PROJECT))

    # Two consumers at once share the shards; after them a third goes on from their checkpoints. They said nothing when they
    # went: it gets their shards after the group's timeout, which is two heartbeats.
    out["consumed"] = consume(["a", "b"], len(written), 20)
    out["late"] = sorted(put(writers["v1"], 500, 3))
    out["resumed"] = consume(["c"], len(out["late"]), 20)
    print(json.dumps(out))


main()
