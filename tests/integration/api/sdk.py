"""The vendor's Python SDK, unchanged, against a running `innertrail run`. It reaches it as its proxy, so that any name leads there.

Modes: `calls` makes every call of a reader and tries to write; `consume` is one process of the consumer library, which notes the id of
every event until a file tells it to end. It must never reach any host but the proxy: every name that it uses ends in .test.
"""

import importlib.util
import json
import os
import sys
import time

from aliyun.log import GetHistogramsRequest, GetLogsRequest, LogClient, LogItem, PutLogsRequest
from aliyun.log.consumer import ConsumerProcessorBase, ConsumerWorker, CursorPosition, LogHubConfig
from aliyun.log.logexception import LogException

setup = json.loads(sys.argv[1])
ENDPOINT, PROJECT, LOGSTORE, REGION = "http://logs.example.test", "audit", setup["logstore"], "cn-hangzhou"
KEY, SECRET, COUNT = setup["id"], setup["secret"], setup["count"]
# 2026-11-01 and three weeks later: the events' own times.
FROM, TO = 1793491200, 1795305600


def events_of(groups):
    """The records of log groups, as text; each log has its own in `event`."""
    return [c.Value for group in groups for log in group.Logs for c in log.Contents if c.Key == "event"]


def histogram(client, query):
    answer = client.get_histograms(GetHistogramsRequest(PROJECT, LOGSTORE, FROM, TO, "", query))
    assert answer.is_completed() and answer.get_total_count() == sum(h.get_count() for h in answer.get_histograms())
    return answer.get_total_count()


def wait_for_all(client):
    begun = time.time()
    while histogram(client, "*") < COUNT:
        assert time.time() - begun < 120, histogram(client, "*")
        time.sleep(0.2)


def pull_all(client, compress):
    """Everything in every shard, up to the end that there is now."""
    found, pages = [], 0
    for shard in client.list_shards(PROJECT, LOGSTORE).get_shards_info():
        number = shard["shardID"]
        cursor = client.get_cursor(PROJECT, LOGSTORE, number, "begin").get_cursor()
        end = client.get_cursor(PROJECT, LOGSTORE, number, "end").get_cursor()
        while cursor != end:
            page = client.pull_logs(PROJECT, LOGSTORE, number, cursor, 1000, end, compress=compress)
            assert page.get_loggroup_count() == page.get_log_count() > 0
            found += events_of(page.get_loggroup_list().LogGroups)
            cursor, pages = page.get_next_cursor(), pages + 1
        at_end = client.pull_logs(PROJECT, LOGSTORE, number, end, 1000, compress=compress)
        assert at_end.get_log_count() == 0 and at_end.get_next_cursor() == end
    return found, pages


def pulls(client):
    begun = time.time()
    found, pages = pull_all(client, True)
    took = time.time() - begun
    with open(setup["input"], encoding="utf-8") as lines:
        assert sorted(found) == sorted(line.rstrip("\n") for line in lines), "pulled events are those that went in, each once"
    print("pulled %d events in %d pages, %.1f s" % (len(found), pages, took))
    cursor = client.get_cursor(PROJECT, LOGSTORE, 0, "begin").get_cursor()
    plain = client.pull_logs(PROJECT, LOGSTORE, 0, cursor, 10, compress=False)
    packed = client.pull_logs(PROJECT, LOGSTORE, 0, cursor, 10, compress=True)
    assert plain.get_flatten_logs_json() == packed.get_flatten_logs_json()
    first = packed.get_flatten_logs_json()[0]
    assert first["__topic__"] == "actiontrail_audit_event", first
    assert first["__tag__:it_seq"] == "0" and int(first["__tag__:it_tree_size"]) >= 10, first
    received = client.get_cursor_time(PROJECT, LOGSTORE, 0, cursor).get_cursor_time()
    assert str(received) == first["__tag__:__receive_time__"], (received, first)
    by_time = client.get_cursor(PROJECT, LOGSTORE, 0, received).get_cursor()
    assert by_time == cursor, (by_time, cursor)
    return first


def searches(client, first):
    query = "sourceIpAddress: 203.0.113.7 and eventName: PutBucketAcl"
    expected = setup["expected"]
    assert histogram(client, query) == expected
    everything = client.get_log(PROJECT, LOGSTORE, FROM, TO, query=query, size=-1)
    assert everything.is_completed() and everything.get_count() == expected
    paged = [log for page in client.get_log_all(PROJECT, LOGSTORE, FROM, TO, query=query, reverse=True) for log in page.get_logs()]
    ids = [json.loads(log.get_contents()["event"])["eventId"] for log in paged]
    assert len(ids) == len(set(ids)) == expected
    times = [log.get_time() for log in paged]
    assert times == sorted(times, reverse=True)
    one = client.get_logs(GetLogsRequest(PROJECT, LOGSTORE, FROM, TO, "", setup["one"], 10, 0, False))
    assert one.get_count() == 1, one.get_body()
    contents = one.get_logs()[0].get_contents()
    assert contents["event"] == first["event"] and contents["__topic__"] == first["__topic__"], contents
    assert one.get_logs()[0].get_time() == int(first["__time__"])
    assert contents["it_actor"] and contents["it_family"] == "audit", contents
    sql = "* | select eventName, count(1) as n from log group by eventName"
    table = client.get_log(PROJECT, LOGSTORE, FROM, TO, query=sql)
    rows = [row.get_contents() for row in table.get_logs()]
    assert rows == [{"eventName": "PutBucketAcl", "n": str(COUNT)}], rows
    assert histogram(client, "__topic__: actiontrail_audit_event") == COUNT
    marked = client.get_log(PROJECT, LOGSTORE, FROM, TO, query=setup["one"] + " | with_pack_meta").get_logs()[0].get_contents()
    around = client.get_context_logs(PROJECT, LOGSTORE, marked["__tag__:__pack_id__"], marked["__pack_meta__"], 3, 4)
    assert around.is_completed() and (around.get_back_lines(), around.get_forward_lines()) == (0, 4)
    for wrong in ["* | insert into log values (1)", "* | drop table log"]:
        assert refused(lambda: client.get_log(PROJECT, LOGSTORE, FROM, TO, query=wrong))[1] == "LogStoreReadOnly", wrong
    assert refused(lambda: client.get_log(PROJECT, LOGSTORE, FROM, TO, query="* | selec 1"))[0] == 400


def refused(call):
    begun = time.time()
    try:
        call()
    except LogException as error:
        took = time.time() - begun
        assert took < 2, took
        return error.get_resp_status(), error.get_error_code()
    raise SystemExit("it was carried out")


def writes(client):
    """Each in one request, also of a client that would get new credentials and repeat."""
    asked = []

    def refresher():
        asked.append(1)
        return KEY, SECRET, ""

    client.set_credentials_auto_refresher(refresher)
    before = [client.get_cursor(PROJECT, LOGSTORE, n, "end").get_cursor() for n in range(setup["shards"])]
    items = [LogItem(contents=[("event", "x" * 5000)]) for _ in range(500)]
    for how in [{}, {"compress": False}, {"hashKey": "0" * 32}]:
        request = PutLogsRequest(PROJECT, LOGSTORE, "actiontrail_audit_event", "s", items, **how)
        assert refused(lambda: client.put_logs(request)) == (403, "LogStoreReadOnly")
    assert refused(lambda: client.delete_logstore(PROJECT, LOGSTORE)) == (403, "LogStoreReadOnly")
    assert [client.get_cursor(PROJECT, LOGSTORE, n, "end").get_cursor() for n in range(setup["shards"])] == before
    assert not asked and histogram(client, "*") == COUNT


def groups(client):
    client.create_consumer_group(PROJECT, LOGSTORE, "by-hand", 30, False)
    listed = client.list_consumer_group(PROJECT, LOGSTORE).get_consumer_groups()
    assert "by-hand" in [group.get_consumer_group_name() for group in listed]
    held = client.heart_beat(PROJECT, LOGSTORE, "by-hand", "c", []).get_shards()
    assert sorted(held) == list(range(setup["shards"])), held
    end = client.get_cursor(PROJECT, LOGSTORE, 1, "end").get_cursor()
    client.update_check_point(PROJECT, LOGSTORE, "by-hand", 1, end, "c")
    points = {one["shard"]: one["checkpoint"] for one in client.get_check_point(PROJECT, LOGSTORE, "by-hand").get_consumer_group_check_points()}
    assert points == {n: end if n == 1 else "" for n in range(setup["shards"])}, points
    client.update_consumer_group(PROJECT, LOGSTORE, "by-hand", 60, True)
    client.delete_consumer_group(PROJECT, LOGSTORE, "by-hand")


def kept(client):
    """What comes with innertrail is listed and found, each query of it runs, and none of it can be made, changed or deleted."""
    projects = client.list_project(0, 100)
    assert [one["projectName"] for one in projects.get_projects()] == [PROJECT] and projects.get_total() == 1
    assert client.list_project(0, 100, "another").get_total() == 0
    boards = [client.get_dashboard(PROJECT, name).get_entity() for name in client.list_dashboard(PROJECT).get_dashboards()]
    searches = [client.get_savedsearch(PROJECT, name).get_entity() for name in client.list_savedsearch(PROJECT).get_savedsearches()]
    alerts = client.list_alert(PROJECT, size=-1).get_alerts()
    assert boards and searches and alerts == [client.get_alert(PROJECT, one["name"]).get_entity() for one in alerts]
    asked = 0
    for board, chart in [(board, chart) for board in boards for chart in board["charts"]]:
        search = chart["search"]
        table = client.get_log(PROJECT, search["logstore"], FROM, TO, query=search["query"])
        assert table.is_completed(), chart["title"]
        wanted = set(chart["display"]["xAxis"] + chart["display"]["yAxis"])
        assert all(wanted <= set(row.get_contents()) for row in table.get_logs()), chart["title"]
        if (board["dashboardName"], chart["title"]) == ("innertrail-oss-audit", "pv"):
            assert table.get_logs()[0].get_contents() == {"pv": str(COUNT)}, table.get_body()
        asked += 1
    for query in [query for alert in alerts for query in alert["configuration"]["queryList"]]:
        assert query["project"] == PROJECT
        assert client.get_log(PROJECT, query["store"], FROM, TO, query=query["query"]).is_completed()
    for search in searches:
        assert client.get_log(PROJECT, search["logstore"], FROM, TO, query=search["searchQuery"], size=1).is_completed()
    for write in [
        lambda: client.create_dashboard(PROJECT, dict(boards[0], dashboardName="mine")),
        lambda: client.update_dashboard(PROJECT, boards[0]),
        lambda: client.delete_dashboard(PROJECT, boards[0]["dashboardName"]),
        lambda: client.copy_dashboard(PROJECT, boards[0]["dashboardName"], to_dashboard_name="mine"),
        lambda: client.create_savedsearch(PROJECT, dict(searches[0], savedsearchName="mine")),
        lambda: client.update_savedsearch(PROJECT, searches[0]),
        lambda: client.delete_savedsearch(PROJECT, searches[0]["savedsearchName"]),
        lambda: client.create_alert(PROJECT, dict(alerts[0], name="mine")),
        lambda: client.update_alert(PROJECT, alerts[0]),
        lambda: client.enable_alert(PROJECT, alerts[0]["name"]),
        lambda: client.delete_alert(PROJECT, alerts[0]["name"]),
    ]:
        assert refused(write) == (403, "LogStoreReadOnly")
    for missing, code in [(client.get_dashboard, "DashboardNotExist"), (client.get_savedsearch, "SavedSearchNotExist"), (client.get_alert, "JobNotExist")]:
        assert refused(lambda: missing(PROJECT, "mine")) == (404, code)
    print("%d charts, %d saved searches, %d alerts" % (asked, len(searches), len(alerts)))


def forms(client):
    """The forms of a pulled page that the SDK can open; each holds the same."""
    cursor = client.get_cursor(PROJECT, LOGSTORE, 0, "begin").get_cursor()
    plain = client.pull_logs(PROJECT, LOGSTORE, 0, cursor, 10, compress=False).get_flatten_logs_json()
    for form in ["lz4", "deflate", "zstd"]:
        if form == "zstd" and not importlib.util.find_spec("zstd"):
            print("SKIPPED: zstd, the interpreter has no module of that name")
            continue
        page = client.pull_logs(PROJECT, LOGSTORE, 0, cursor, 10, accept_compress_type=form)
        assert page.get_header("x-log-compresstype") == form, page.get_all_headers()
        assert page.get_flatten_logs_json() == plain, form


def temporary(version):
    """A key that was lent reads with its token, and with nothing else; one that ended says so."""
    def count(key, token):
        client = LogClient(ENDPOINT, key["id"], key["secret"], securityToken=token, auth_version=version, region=REGION)
        return histogram(client, "*")

    lent, ended = setup["lent"], setup["ended"]
    assert lent["id"].startswith("STS.") and count(lent, lent["token"]) == COUNT
    for token in ["", "x" * 64, ended["token"]]:
        assert refused(lambda: count(lent, token)) == (401, "InvalidSecurityToken"), token
    assert refused(lambda: count({"id": KEY, "secret": SECRET}, lent["token"])) == (401, "InvalidSecurityToken")
    assert refused(lambda: count(ended, ended["token"])) == (401, "SecurityTokenExpired")
    # A lent key of a reader is a reader's.
    client = LogClient(ENDPOINT, lent["id"], lent["secret"], securityToken=lent["token"], auth_version=version, region=REGION)
    try:
        client.create_consumer_group(PROJECT, LOGSTORE, "not-mine", 30, False)
        raise SystemExit("a reader made a consumer group")
    except LogException as error:
        wanted = "action: log:CreateConsumerGroup, resource: acs:log:%s:*:project/%s/logstore/%s;" % (REGION, PROJECT, LOGSTORE)
        assert (error.get_resp_status(), error.get_error_code()) == (403, "PermissionDenied"), error
        assert wanted in error.get_error_message() and "nauthorized" not in error.get_error_message(), error


def calls(version):
    client = LogClient(ENDPOINT, KEY, SECRET, auth_version=version, region=REGION)
    wait_for_all(client)
    kept(client)
    forms(client)
    temporary(version)
    assert client.get_logstore(PROJECT, LOGSTORE).get_shard_count() == setup["shards"]
    searches(client, pulls(client))
    groups(client)
    writes(client)
    print("%s: all calls as expected" % version)


class Note(ConsumerProcessorBase):
    """Notes every event's id, and stores a checkpoint after each page."""

    def __init__(self, out):
        super().__init__()
        self.out = out

    def process(self, log_groups, check_point_tracker):
        ids = [json.loads(event)["eventId"] for event in events_of(log_groups.LogGroups)]
        self.out.write("".join(one + "\n" for one in ids))
        self.out.flush()
        self.save_checkpoint(check_point_tracker, force=True)


def consume(name, path, stop):
    config = LogHubConfig(
        ENDPOINT, KEY, SECRET, PROJECT, LOGSTORE, "siem", name, cursor_position=CursorPosition.BEGIN_CURSOR,
        heartbeat_interval=3, data_fetch_interval=0.05, auth_version=setup["version"], region=REGION,
    )
    with open(path, "a", encoding="utf-8") as out:
        worker = ConsumerWorker(Note, config, args=(out,))
        worker.start()
        while not os.path.exists(stop):
            time.sleep(0.1)
        worker.shutdown()
        worker.join(60)
        assert not worker.is_alive()


if sys.argv[2] == "calls":
    calls(setup["version"])
else:
    consume(*sys.argv[3:6])
