//! The word lists of the generator: event names, services, regions, user agents. Names only, no logic.
//! Event names are the public API names of each service; everything that identifies somebody is made up elsewhere.

/// The regions of a generated trail.
pub(crate) const REGIONS: [&str; 6] =
    ["cn-hangzhou", "cn-shanghai", "cn-beijing", "cn-shenzhen", "ap-southeast-1", "eu-central-1"];

/// OSS event names, most frequent first; data events and management events mixed as in a busy account.
pub(crate) const OSS_NAMES: [&str; 40] = [
    "GetObject",
    "PutObject",
    "HeadObject",
    "ListObjectsV2",
    "GetObjectMeta",
    "ListObjects",
    "UploadPart",
    "DeleteObject",
    "GetBucketInfo",
    "ListBuckets",
    "GetBucketLocation",
    "CopyObject",
    "InitateMultipartUpload",
    "CompleteMultipartUpload",
    "GetBucketAcl",
    "DeleteMultipleObjects",
    "GetBucketPolicy",
    "GetBucketStat",
    "AppendObject",
    "GetBucketEncryption",
    "GetBucketLifecycle",
    "GetBucketLogging",
    "UplaodPartCopy",
    "GetBucketVersioning",
    "PostObject",
    "RestoreObject",
    "GetBucketTags",
    "PutBucketTags",
    "PutBucketLifecycle",
    "PutBucket",
    "PutBucketPolicy",
    "PutBucketAcl",
    "PutBucketEncryption",
    "PutBucketLogging",
    "PutBucketVersioning",
    "PutBucketCors",
    "DeleteBucketPolicy",
    "PutBucketReferer",
    "DeleteBucket",
    "PutBucketReplication",
];

/// Events of other services: service name, host word, API version, event name; most frequent first.
pub(crate) const OTHER_NAMES: [(&str, &str, &str, &str); 20] = [
    ("Sts", "sts", "2015-04-01", "AssumeRole"),
    ("Ecs", "ecs", "2014-05-26", "DescribeInstances"),
    ("Ecs", "ecs", "2014-05-26", "DescribeDisks"),
    ("Kms", "kms", "2016-01-20", "Decrypt"),
    ("Ram", "ram", "2015-05-01", "GetUser"),
    ("Sts", "sts", "2015-04-01", "GetCallerIdentity"),
    ("Kms", "kms", "2016-01-20", "GenerateDataKey"),
    ("Ecs", "ecs", "2014-05-26", "DescribeSecurityGroups"),
    ("Ram", "ram", "2015-05-01", "ListUsers"),
    ("Rds", "rds", "2014-08-15", "DescribeDBInstances"),
    ("Vpc", "vpc", "2016-04-28", "DescribeVpcs"),
    ("Slb", "slb", "2014-05-15", "DescribeLoadBalancers"),
    ("Ecs", "ecs", "2014-05-26", "RunInstances"),
    ("Ecs", "ecs", "2014-05-26", "DeleteDisk"),
    ("Actiontrail", "actiontrail", "2020-07-06", "LookupEvents"),
    ("Ram", "ram", "2015-05-01", "AttachPolicyToUser"),
    ("Ecs", "ecs", "2014-05-26", "AuthorizeSecurityGroup"),
    ("Kms", "kms", "2016-01-20", "ScheduleKeyDeletion"),
    ("Ram", "ram", "2015-05-01", "CreateAccessKey"),
    ("Actiontrail", "actiontrail", "2020-07-06", "DescribeTrails"),
];

/// Error codes of the failing calls.
pub(crate) const ERRORS: [(&str, &str); 5] = [
    ("AccessDenied", "You have no right to access this object because of bucket acl."),
    ("NoSuchKey", "The specified key does not exist."),
    ("NoSuchBucket", "The specified bucket does not exist."),
    ("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."),
    ("InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records."),
];

/// First words of object keys.
pub(crate) const FOLDERS: [&str; 12] = [
    "invoices",
    "backups",
    "images",
    "exports",
    "ledger",
    "models",
    "logs",
    "reports",
    "thumbnails",
    "contracts",
    "raw",
    "archive",
];

/// Endings of object keys.
pub(crate) const ENDINGS: [&str; 8] = ["json", "parquet", "csv.gz", "jpg", "pdf", "tar.zst", "log", "bin"];

/// Names of made-up users.
pub(crate) const PEOPLE: [&str; 20] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj", "olivia",
    "peggy", "rupert", "sybil", "trent", "victor", "walter", "zoe",
];

/// What user agents are made of: tool and platform; all pairs give forty.
pub(crate) const AGENT_TOOLS: [&str; 8] = [
    "aliyun-sdk-python/2.18.4",
    "aliyun-sdk-go/v3.0.2",
    "aliyun-sdk-java/3.17.4",
    "aliyun-sdk-js/6.20.0",
    "aliyun-oss-console",
    "ossutil/v2.0.6",
    "alibabacloud-oss-go-sdk-v2/1.2.3",
    "aliyun-sdk-rust/0.12.0",
];

/// The platforms of the user agents.
pub(crate) const AGENT_PLATFORMS: [&str; 5] = [
    "(Linux/5.10.134-16.al8.x86_64/x86_64;3.11.9)",
    "(Linux/6.1.0-28-amd64/x86_64;go1.23.4)",
    "(Darwin/23.6.0/arm64)",
    "(Windows/10/AMD64;17.0.12)",
    "(Linux/4.19.91-28.1.al7.aarch64/aarch64)",
];
