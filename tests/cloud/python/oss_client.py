"""The official OSS SDK (oss2) against the OSS double, and the double's listings beside those of moto.

Started by the tests with one JSON argument: {"proxy": "http://127.0.0.1:PORT", "bucket": …}. It prints one line of JSON with
what it saw. It must never reach any host but the proxy and its own moto: every name it uses ends in .test.
"""

import itertools
import json
import os
import sys

setup = json.loads(sys.argv[1])
os.environ.pop("no_proxy", None)
os.environ.pop("NO_PROXY", None)

import oss2  # noqa: E402
from oss2.credentials import StaticCredentialsProvider  # noqa: E402

ENDPOINT = "http://oss-cn-hangzhou.example.test"
BUCKET = setup["bucket"]


def bucket(key, auth=oss2.ProviderAuthV4, token=""):
    secret = "example-secret-of-" + key.rsplit("-", 1)[1]
    provider = StaticCredentialsProvider(key, secret, token)
    proxies = {"http": setup["proxy"]}
    return oss2.Bucket(auth(provider), ENDPOINT, BUCKET, region="cn-hangzhou", proxies=proxies)


def refused(call):
    try:
        call()
    except oss2.exceptions.OssError as error:
        return [error.status, error.code]
    return None


def listed(of, **how):
    """The keys and folders of a listing, page by page, and the number of pages."""
    keys, folders, pages, token = [], [], 0, ""
    while True:
        page = of.list_objects_v2(continuation_token=token, **how)
        keys += [entry.key for entry in page.object_list]
        folders += page.prefix_list
        pages += 1
        if not page.is_truncated:
            return [keys, folders, pages]
        token = page.next_continuation_token


KEYS = [
    "a", "a/1", "a/2", "a/b/1", "a/b/2", "ab", "b/1", "b/2/3", "c d/e+f", "c/", "c/&<>\"'", "d//e", "\u00fc/\u4e2d", "z%2F", "~",
]


def cases():
    """Prefix, start-after, delimiter and page size in all combinations."""
    prefixes, starts, delimiters, sizes = ["", "a", "a/", "c", "zz"], ["", "a/1", "a/z", "b", "\u00fc"], ["", "/"], [1, 2, 1000]
    return itertools.product(prefixes, starts, delimiters, sizes)


def compare_with_moto(writer):
    """The double's answers to all cases beside moto's; moto is only an opinion, so the differences are handed back."""
    import boto3
    from botocore.config import Config
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        s3 = boto3.client(
            "s3", endpoint_url="http://%s:%d" % (host, port), region_name="us-east-1",
            aws_access_key_id="example", aws_secret_access_key="example",
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )
        s3.create_bucket(Bucket=BUCKET)
        for key in KEYS:
            writer.put_object("moto/" + key, key.encode())
            s3.put_object(Bucket=BUCKET, Key="moto/" + key, Body=key.encode())
        count, differences = 0, []
        for prefix, start, delimiter, size in cases():
            prefix, start = "moto/" + prefix, start and "moto/" + start
            ours = listed(writer, prefix=prefix, start_after=start, delimiter=delimiter, max_keys=size)
            keys, folders, pages, more = [], [], 0, {}
            while True:
                page = s3.list_objects_v2(
                    Bucket=BUCKET, Prefix=prefix, StartAfter=start, Delimiter=delimiter, MaxKeys=size, **more
                )
                keys += [entry["Key"] for entry in page.get("Contents", [])]
                folders += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
                pages += 1
                if not page["IsTruncated"]:
                    break
                more = {"ContinuationToken": page["NextContinuationToken"]}
            count += 1
            if ours != [keys, folders, pages]:
                differences.append({"case": [prefix, start, delimiter, size], "ours": ours, "moto": [keys, folders, pages]})
        return {"compared": count, "differences": differences}
    finally:
        server.stop()


def main():
    reader, writer, deleter = (bucket("LTAI-EXAMPLE-" + name) for name in ("reader", "writer", "deleter"))
    out = {"listed": listed(reader, prefix="AliyunLogs/", max_keys=3)}
    out["read"] = {}
    for key in out["listed"][0]:
        whole = reader.get_object(key).read()
        size = len(whole)
        parts = [reader.get_object(key, byte_range=span).read() for span in ((0, 99), (100, None))]
        out["read"][key] = [size, b"".join(parts) == whole, reader.head_object(key).content_length == size]
    out["location"] = reader.get_bucket_location().location
    out["info"] = reader.get_bucket_info().name
    out["refused_put"] = refused(lambda: reader.put_object("x", b"1"))
    out["refused_delete"] = refused(lambda: reader.delete_object("x"))
    out["refused_key"] = refused(lambda: reader.get_object("no/such/key").read())
    out["refused_v1"] = refused(lambda: bucket("LTAI-EXAMPLE-reader", auth=oss2.ProviderAuth).get_object("x").read())
    writer.put_object("odd/\u00fc b+c&d?e=f%25.gz", b"payload")
    out["odd"] = [listed(reader, prefix="odd/")[0], reader.get_object("odd/\u00fc b+c&d?e=f%25.gz").read().decode()]
    deleter.delete_object("odd/\u00fc b+c&d?e=f%25.gz")
    out["deleted"] = listed(reader, prefix="odd/")[0]
    temporary = bucket("STS.EXAMPLE-temporary", token="example-token/of+temporary==")
    out["temporary"] = listed(temporary, prefix="AliyunLogs/", max_keys=1000)[0] == out["listed"][0]
    if setup["moto"]:
        out["moto"] = compare_with_moto(writer)
    print(json.dumps(out))


main()
