"""Runs statements in the engine that is named, in one session, and prints the rows of each as JSON. Everything is read from local files; it
must never reach the network. Arguments: engine, JSON of [[name, statement], …]; statements without a name only prepare."""

import json
import sys


def duckdb():
    import duckdb

    connection = duckdb.connect()

    def ask(statement):
        answer = connection.execute(statement)
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row)) for row in answer.fetchall()]

    return ask


def clickhouse():
    from chdb import session

    held = session.Session()

    def ask(statement):
        lines = str(held.query(statement.rstrip(";\n "), "JSONEachRow")).splitlines()
        return [json.loads(line) for line in lines if line.strip()]

    return ask


def spark():
    from pyspark.sql import SparkSession

    # One thread, no page of its own, and its answers to this process over the loopback address.
    build = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    build = build.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    held = build.config("spark.sql.session.timeZone", "UTC").config("spark.sql.warehouse.dir", sys.argv[3]).getOrCreate()
    held.sparkContext.setLogLevel("ERROR")

    def ask(statement):
        return [row.asDict() for row in held.sql(statement.rstrip(";\n ")).collect()]

    return ask


ask = {"duckdb": duckdb, "clickhouse": clickhouse, "spark": spark}[sys.argv[1]]()
found = {}
for name, statement in json.loads(sys.argv[2]):
    rows = ask(statement)
    if name:
        found[name] = [{key: value if value is None else str(value) for key, value in row.items()} for row in rows]
print("found " + json.dumps(found))
