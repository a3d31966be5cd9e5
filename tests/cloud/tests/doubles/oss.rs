//! The OSS double: who is let in, how it is addressed, what is served.

use innertrail_test_cloud::client::{Answer, Call, Signature};
use innertrail_test_cloud::{Account, Key, TrailLoad};

use super::{BUCKET, OSS, cloud, oss};

#[test]
fn signature_4_is_let_in_and_nothing_else_is() {
    let cloud = cloud(1);
    let list = || Call::get(OSS, "/", "list-type=2", Signature::Oss4);
    let send = |call: Call, key: &Key| {
        let answer = call.send(cloud.oss.address(), key).unwrap();
        (answer.status, answer.code())
    };
    assert_eq!(send(list(), &Key::reader()).0, 200);
    assert_eq!(send(list(), &Key::temporary()).0, 200);
    for (key, code) in [
        (Key { secret: "wrong".to_owned(), ..Key::reader() }, "SignatureDoesNotMatch"),
        (Key::revoked(), "InvalidAccessKeyId"),
        (Key::expired(), "SecurityTokenExpired"),
        (Key { token: Some("other".to_owned()), ..Key::temporary() }, "InvalidSecurityToken"),
        (Key { token: Some("other".to_owned()), ..Key::reader() }, "SecurityTokenNotSupported"),
        (Key::unauthorised(), "AccessDenied"),
    ] {
        assert_eq!(send(list(), &key), (403, code.to_owned()), "{}", key.id);
    }
    let version_1 = Call { signature: Signature::None, ..list() }.header("authorization", "OSS id:signature");
    assert_eq!(send(version_1, &Key::reader()), (403, "AccessDenied".to_owned()));
    assert_eq!(send(Call { skew_ms: 1_000_000, ..list() }, &Key::reader()).1, "RequestTimeTooSkewed");
    assert_eq!(send(Call { region: "cn-beijing".to_owned(), ..list() }, &Key::reader()).1, "SignatureDoesNotMatch");
    let payload = list().header("x-oss-content-sha256", &"0".repeat(64));
    assert_eq!(send(payload, &Key::reader()).1, "InvalidArgument");
}

#[test]
fn only_the_bucket_in_the_host_is_served_by_its_own_endpoints_and_domains() {
    let cloud = cloud(1);
    let send = |host: &str, path: &str| {
        let answer =
            Call::get(host, path, "list-type=2", Signature::Oss4).send(cloud.oss.address(), &Key::reader()).unwrap();
        (answer.status, answer.code(), answer.text())
    };
    for host in ["demo-audit.oss-cn-hangzhou.aliyuncs.com", "demo-audit.oss-cn-hangzhou-internal.aliyuncs.com:80"] {
        assert_eq!(send(host, "/").0, 200, "{host}");
    }
    for host in ["127.0.0.1:1", "oss-cn-hangzhou.aliyuncs.com"] {
        let (status, code, _) = send(host, "/demo-audit/key");
        assert_eq!((status, code.as_str()), (403, "SecondLevelDomainForbidden"), "{host}");
    }
    let (status, code, text) = send("demo-audit.oss-cn-beijing.aliyuncs.com", "/");
    assert_eq!((status, code.as_str()), (403, "AccessDenied"));
    assert!(text.contains("must be addressed using the specified endpoint"), "{text}");
    assert!(text.contains("<Endpoint>oss-cn-hangzhou.aliyuncs.com</Endpoint>"), "{text}");
    assert_eq!(send("nobody.oss-cn-hangzhou.aliyuncs.com", "/").1, "NoSuchBucket");
    cloud.oss.bind_domain("demo-audit.example.com", BUCKET);
    assert_eq!(send("demo-audit.example.com", "/").0, 200);
}

fn get(cloud: &innertrail_test_cloud::Cloud, headers: &[(&str, &str)]) -> Answer {
    let call = Call::get(OSS, "/a/b c+d.gz", "", Signature::Oss4);
    let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
    call.send(cloud.oss.address(), &Key::reader()).unwrap()
}

#[test]
fn objects_come_whole_in_ranges_and_on_conditions() {
    let cloud = cloud(1);
    cloud.oss.put(BUCKET, "a/b c+d.gz", b"0123456789".to_vec());
    let whole = get(&cloud, &[]);
    assert_eq!((whole.status, whole.text().as_str()), (200, "0123456789"));
    assert_eq!(whole.header("Content-MD5"), "eB5eJF1ptWaXm4bijSPyxw==");
    assert_eq!(whole.header("ETag"), "\"781E5E245D69B566979B86E28D23F2C7\"");
    // What oss2's own checksum (crcmod) says of the same ten bytes.
    assert_eq!(whole.header("x-oss-hash-crc64ecma"), "2838902930144391966");
    let part = get(&cloud, &[("range", "bytes=2-4")]);
    assert_eq!((part.status, part.text().as_str(), part.header("Content-Range")), (206, "234", "bytes 2-4/10"));
    let beyond = get(&cloud, &[("range", "bytes=10-")]);
    assert_eq!((beyond.status, beyond.body.len()), (200, 10), "OSS sends the whole object for a range it cannot serve");
    let strict = get(&cloud, &[("range", "bytes=10-"), ("x-oss-range-behavior", "standard")]);
    assert_eq!((strict.status, strict.code().as_str()), (416, "InvalidRange"));
    let etag = whole.header("ETag").to_owned();
    assert_eq!(get(&cloud, &[("if-match", &etag), ("range", "bytes=5-")]).text(), "56789");
    cloud.oss.put(BUCKET, "a/b c+d.gz", b"another".to_vec());
    assert_eq!(get(&cloud, &[("if-match", &etag), ("range", "bytes=5-")]).code(), "PreconditionFailed");
    assert_eq!(oss(&cloud, "/nothing", "").code(), "NoSuchKey");
    let head = Call::get(OSS, "/a/b c+d.gz", "", Signature::Oss4).with("HEAD", "");
    let head = head.send(cloud.oss.address(), &Key::reader()).unwrap();
    assert_eq!((head.status, head.header("Content-Length"), head.body.len()), (200, "7", 0));
}

#[test]
fn only_the_deleter_may_delete_and_deleting_nothing_succeeds() {
    let cloud = cloud(1);
    cloud.oss.put(BUCKET, "key", b"1".to_vec());
    let delete = |path: &str, key: &Key| {
        let answer =
            Call::get(OSS, path, "", Signature::Oss4).with("DELETE", "").send(cloud.oss.address(), key).unwrap();
        (answer.status, answer.code())
    };
    for key in [Key::reader(), Key::writer()] {
        assert_eq!(delete("/key", &key), (403, "AccessDenied".to_owned()));
        assert_eq!(delete("/no-such-key", &key), (403, "AccessDenied".to_owned()));
    }
    assert_eq!(delete("/no-such-key", &Key::deleter()).0, 204, "a doctor's harmless probe");
    assert_eq!(cloud.oss.keys_of(BUCKET).len(), 1);
    assert_eq!(delete("/key", &Key::deleter()).0, 204);
    assert_eq!(cloud.oss.keys_of(BUCKET).len(), 0);
}

#[test]
fn a_listing_says_what_the_bucket_holds_in_oss_words() {
    let cloud = cloud(1);
    cloud.oss.put(BUCKET, "a/1", b"1".to_vec());
    cloud.oss.put(BUCKET, "b&<c>/\u{fc} \n.gz", b"22".to_vec());
    let plain = oss(&cloud, "/", "list-type=2&max-keys=10").text();
    let stable = |text: &str| {
        let dated = |line: &&str| !line.contains("<LastModified>");
        text.lines().filter(dated).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(stable(&plain), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <ListBucketResult>
      <Name>demo-audit</Name>
      <Prefix></Prefix>
      <MaxKeys>10</MaxKeys>
      <IsTruncated>false</IsTruncated>
      <KeyCount>2</KeyCount>
      <Contents>
        <Key>a/1</Key>
        <ETag>&quot;C4CA4238A0B923820DCC509A6F75849B&quot;</ETag>
        <Type>Normal</Type>
        <Size>1</Size>
        <StorageClass>Standard</StorageClass>
      </Contents>
      <Contents>
        <Key>b&amp;&lt;c&gt;/ü &#10;.gz</Key>
        <ETag>&quot;B6D767D2F8ED5D21A44B0E5886680CB9&quot;</ETag>
        <Type>Normal</Type>
        <Size>2</Size>
        <StorageClass>Standard</StorageClass>
      </Contents>
    </ListBucketResult>
    "#);
    let encoded = oss(&cloud, "/", "list-type=2&delimiter=/&max-keys=1&start-after=a&encoding-type=url").text();
    insta::assert_snapshot!(stable(&encoded), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <ListBucketResult>
      <Name>demo-audit</Name>
      <Prefix></Prefix>
      <StartAfter>a</StartAfter>
      <Delimiter>%2F</Delimiter>
      <NextContinuationToken>cDphLw%3D%3D</NextContinuationToken>
      <MaxKeys>1</MaxKeys>
      <EncodingType>url</EncodingType>
      <IsTruncated>true</IsTruncated>
      <KeyCount>1</KeyCount>
      <CommonPrefixes>
        <Prefix>a%2F</Prefix>
      </CommonPrefixes>
    </ListBucketResult>
    "#);
    assert!(oss(&cloud, "/", "location").text().contains("<LocationConstraint>oss-cn-hangzhou</LocationConstraint>"));
    assert!(oss(&cloud, "/", "bucketInfo").text().contains("<Name>demo-audit</Name>"));
    assert_eq!(oss(&cloud, "/", "prefix=a").status, 501, "the first version of the listing is not served");
}

#[test]
fn account_states_are_answered_with_their_own_codes() {
    let cloud = cloud(1);
    for (state, status, code) in [
        (Account::Overdue, 403, "UserDisable"),
        (Account::Forbidden, 403, "AbnormalBucketOwnerStatus"),
        (Account::Disabled, 403, "BucketDisable"),
        (Account::Gone, 404, "NoSuchBucket"),
        (Account::Active, 200, ""),
    ] {
        cloud.oss.set_account(BUCKET, state);
        let answer = oss(&cloud, "/", "list-type=2");
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
}

#[test]
fn late_and_next_objects_lie_where_they_say() {
    let cloud = cloud(1);
    assert_eq!(cloud.oss.add_late(BUCKET, 5, None), None, "nothing to be late for");
    cloud.oss.fill(BUCKET, &TrailLoad { events: 500, per_object: 100, regions: 1, ..TrailLoad::default() });
    let newest = cloud.oss.keys_of(BUCKET).into_keys().next_back().unwrap();
    let late = cloud.oss.add_late(BUCKET, 5, Some(&newest)).unwrap();
    let next = cloud.oss.add_next(BUCKET, 5, None).unwrap();
    assert!(late < newest && newest < next, "{late} {newest} {next}");
    let all: Vec<String> = cloud.oss.ids(BUCKET).into_values().flatten().collect();
    let unique: std::collections::HashSet<&String> = all.iter().collect();
    assert_eq!((all.len(), unique.len()), (510, 510));
}

fn put(cloud: &innertrail_test_cloud::Cloud, key: &Key, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let call = Call::get(OSS, "/seal/digest/1", "", Signature::Oss4).with("PUT", body);
    let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
    call.send(cloud.oss.address(), key).unwrap()
}

#[test]
fn a_put_holds_to_its_md5_and_overwrites_only_where_it_may() {
    let cloud = cloud(1);
    const MD5: &str = "eB5eJF1ptWaXm4bijSPyxw==";
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        let answer = put(&cloud, &Key::putter(), headers, body);
        (answer.status, answer.code())
    };
    assert_eq!(put(&cloud, &Key::reader(), &[("content-md5", "x")], b"0").code(), "AccessDenied", "rights come first");
    assert_eq!(send(&[("content-md5", MD5)], b"another").1, "InvalidDigest");
    assert_eq!(send(&[("x-oss-forbid-overwrite", "yes")], b"0").1, "InvalidArgument");
    assert!(cloud.oss.contents(BUCKET).is_empty());
    let once = [("content-md5", MD5), ("x-oss-forbid-overwrite", "true")];
    let stored = put(&cloud, &Key::putter(), &once, b"0123456789");
    assert_eq!((stored.status, stored.header("x-oss-hash-crc64ecma")), (200, "2838902930144391966"));
    assert_eq!(send(&once, b"0123456789"), (409, "FileAlreadyExists".to_owned()));
    cloud.oss.set_locked(BUCKET, true);
    assert_eq!(send(&[], b"another"), (409, "FileImmutable".to_owned()));
    let delete = Call::get(OSS, "/seal/digest/1", "", Signature::Oss4).with("DELETE", "");
    assert_eq!(delete.send(cloud.oss.address(), &Key::deleter()).unwrap().code(), "FileImmutable");
    cloud.oss.set_locked(BUCKET, false);
    assert_eq!(send(&[], b"another").0, 200);
    assert_eq!((cloud.oss.overwritten(BUCKET), cloud.oss.uploads(BUCKET).len()), (1, 2));
    let head = Call::get(OSS, "/seal/digest/1", "", Signature::Oss4).with("HEAD", "");
    assert_eq!(head.send(cloud.oss.address(), &Key::putter()).unwrap().status, 403, "who may write need not read");
}

#[test]
fn an_upload_may_lose_its_answer_or_get_a_wrong_one() {
    use innertrail_test_cloud::fault::Fault;
    use innertrail_test_cloud::schedule::Planned;
    let cloud = cloud(1);
    cloud.oss.faults().plan([Planned::next(Fault::LoseAnswer)]);
    let call = Call::get(OSS, "/a", "", Signature::Oss4).with("PUT", "0123456789");
    assert!(call.send(cloud.oss.address(), &Key::putter()).is_err());
    assert_eq!(cloud.oss.contents(BUCKET)["a"], b"0123456789", "it is there all the same");
    cloud.oss.faults().plan([Planned::next(Fault::WrongTag), Planned::next(Fault::Reset)]);
    let wrong = Call::get(OSS, "/b", "", Signature::Oss4).with("PUT", "0123456789");
    assert!(wrong.send(cloud.oss.address(), &Key::putter()).is_err(), "reset before it was looked at");
    assert!(!cloud.oss.contents(BUCKET).contains_key("b"));
    let wrong = wrong.send(cloud.oss.address(), &Key::putter()).unwrap();
    assert_eq!((wrong.status, wrong.header("x-oss-hash-crc64ecma")), (200, "1"));
    assert_eq!(cloud.oss.faults().pending(), 0);
}
