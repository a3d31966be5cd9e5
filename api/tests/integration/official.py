# Calls of the official SDK against the server: metadata, a longer retention, and every write, each with one typed refusal at once.
import sys
import time

from aliyun.log import IndexConfig, LogClient, LogItem, PutLogsRequest
from aliyun.log.logexception import LogException

version, key, secret, store = sys.argv[1:5]
client = LogClient("logs.example", key, secret, auth_version=version, region="cn-hangzhou")

project = client.get_project("audit")
assert project.get_projectname() == "audit", project
listed = client.list_project(0, 100)
assert listed.get_projects()[0]["projectName"] == "audit"
stores = client.list_logstore("audit")
assert stores.get_logstores_count() == 4 and store in stores.get_logstores()
found = client.get_logstore("audit", store)
assert found.get_ttl() >= 180 and found.get_shard_count() == 1 and not found.get_enable_tracking()
shards = client.list_shards("audit", store)
assert [shard["shardID"] for shard in shards.get_shards_info()] == [0]
index = client.get_index_config("audit", store)
assert "event" in index.get_index_config().key_config_list
dashboards = client.list_dashboard("audit")
assert dashboards.get_total() == dashboards.get_count() == len(dashboards.get_dashboards()) > 0
board = client.get_dashboard("audit", dashboards.get_dashboards()[0]).get_entity()
alert = client.list_alert("audit").get_alerts()[0]
search = client.get_savedsearch("audit", client.list_savedsearch("audit").get_savedsearches()[0]).get_entity()
try:
    client.get_logstore("audit", "other")
    raise SystemExit("another Logstore was found")
except LogException as error:
    assert error.get_error_code() == "LogStoreNotExist", error

# Everything as it was, then longer.
client.update_logstore("audit", store, ttl=found.get_ttl(), shard_count=found.get_shard_count())
client.update_logstore("audit", store, ttl=found.get_ttl() + 20)
assert client.get_logstore("audit", store).get_ttl() == found.get_ttl() + 20

items = [LogItem(contents=[("a", "b" * 1000)]) for _ in range(1000)]
writes = {
    "put_logs": lambda: client.put_logs(PutLogsRequest("audit", store, "t", "s", items)),
    "put_logs without compression": lambda: client.put_logs(PutLogsRequest("audit", store, "t", "s", items, compress=False)),
    "put_logs by hash": lambda: client.put_logs(PutLogsRequest("audit", store, "t", "s", items, hashKey="0" * 32)),
    "create_logstore": lambda: client.create_logstore("audit", "new", 30, 2),
    "delete_logstore": lambda: client.delete_logstore("audit", store),
    "shorten": lambda: client.update_logstore("audit", store, ttl=30),
    "tracking": lambda: client.update_logstore("audit", store, ttl=3650, enable_tracking=True),
    "split_shard": lambda: client.split_shard("audit", store, 0, "8" * 32),
    "merge_shard": lambda: client.merge_shard("audit", store, 0),
    "delete_shard": lambda: client.delete_shard("audit", store, 0),
    "create_index": lambda: client.create_index("audit", store, IndexConfig(7)),
    "delete_index": lambda: client.delete_index("audit", store),
    "delete_project": lambda: client.delete_project("audit"),
    "create_dashboard": lambda: client.create_dashboard("audit", board),
    "update_dashboard": lambda: client.update_dashboard("audit", board),
    "delete_dashboard": lambda: client.delete_dashboard("audit", board["dashboardName"]),
    "create_savedsearch": lambda: client.create_savedsearch("audit", search),
    "update_savedsearch": lambda: client.update_savedsearch("audit", search),
    "delete_savedsearch": lambda: client.delete_savedsearch("audit", search["savedsearchName"]),
    "create_alert": lambda: client.create_alert("audit", alert),
    "update_alert": lambda: client.update_alert("audit", alert),
    "enable_alert": lambda: client.enable_alert("audit", alert["name"]),
    "delete_alert": lambda: client.delete_alert("audit", alert["name"]),
}
for name, write in writes.items():
    began = time.time()
    try:
        write()
        raise SystemExit("%s was carried out" % name)
    except LogException as error:
        took = time.time() - began
        assert error.get_error_code() == "LogStoreReadOnly", (name, error)
        assert error.resp_status == 403 and len(error.get_request_id()) == 24, (name, error)
        assert took < 1, (name, took)
print("all calls as expected (%d writes refused)" % len(writes))
