//! Every call of the SDK that writes, each with the time that its refusal took. It must fail when one is carried out.

use std::time::{Duration, Instant};

use aliyun_log_rust_sdk::get_cursor_models::CursorPos;
use aliyun_log_rust_sdk::{Client, Error, FullTextIndex, Index};
use aliyun_log_sdk_protobuf::{Log, LogGroup};
use anyhow::{Result, bail, ensure};

use crate::reads::{cursor, shards};
use crate::{PROJECT, Setup};

/// The most that a refusal may take.
const SOON: Duration = Duration::from_secs(2);

/// Five megabytes of logs.
fn logs() -> LogGroup {
    let mut group = LogGroup::new();
    group.set_topic("actiontrail_audit_event");
    for _ in 0..1000 {
        let mut log = Log::from_unixtime(1_793_491_200);
        log.add_content_kv("event", "x".repeat(5000));
        group.add_log(log);
    }
    group
}

/// An index of anything.
fn index() -> Index {
    let line = FullTextIndex { case_sensitive: false, chn: false, token: vec![" ".to_owned()] };
    Index::builder().line(line).build()
}

/// Asks, and wants the one refusal.
async fn refused<T>(what: &str, call: impl Future<Output = Result<T, Error>>) -> Result<()> {
    let begun = Instant::now();
    let error = match call.await {
        Ok(_) => bail!("{what} was carried out"),
        Err(error) => error,
    };
    let Error::Server { error_code, http_status, request_id, .. } = &error else { bail!("{what}: {error:?}") };
    ensure!((error_code.as_str(), http_status) == ("LogStoreReadOnly", &403), "{what}: {error:?}");
    ensure!(request_id.as_ref().is_some_and(|id| id.len() == 24), "{what}: {request_id:?}");
    ensure!(begun.elapsed() < SOON, "{what} took {:?}", begun.elapsed());
    Ok(())
}

/// Where every shard ends.
async fn ends(client: &Client, setup: &Setup) -> Result<Vec<String>> {
    let mut ends = Vec::new();
    for shard in shards(client, setup).await? {
        ends.push(cursor(client, setup, shard, CursorPos::End).await?);
    }
    Ok(ends)
}

/// Tries them all; how many there were. None of them moves the end of a shard.
pub(crate) async fn all(client: &Client, setup: &Setup) -> Result<u64> {
    let (before, name) = (ends(client, setup).await?, &setup.logstore);
    let raw = bytes::Bytes::from(logs().encode()?);
    let put_raw = client.put_logs_raw(PROJECT, name).raw_size(raw.len()).compress_type(String::new()).data(raw);
    let sql = client.get_logs(PROJECT, name).from(setup.from).to(setup.to).query("* | insert into log values (1)");
    let mut count = 0;
    let mut note = |done: Result<()>| done.map(|()| count += 1);
    note(refused("put_logs", client.put_logs(PROJECT, name).log_group(logs()).send()).await)?;
    note(refused("put_logs_raw", put_raw.send()).await)?;
    note(refused("create_project", client.create_project("another").description("x").send()).await)?;
    note(refused("update_project", client.update_project(PROJECT).description("x").send()).await)?;
    note(refused("delete_project", client.delete_project(PROJECT).send()).await)?;
    note(refused("create_logstore", client.create_logstore(PROJECT, "another").shard_count(2).ttl(1).send()).await)?;
    note(refused("update_logstore", client.update_logstore(PROJECT, name).ttl(1).send()).await)?;
    note(refused("delete_logstore", client.delete_logstore(PROJECT, name).send()).await)?;
    note(refused("create_index", client.create_index(PROJECT, name, index()).send()).await)?;
    note(refused("update_index", client.update_index(PROJECT, name, index()).send()).await)?;
    note(refused("delete_index", client.delete_index(PROJECT, name).send()).await)?;
    note(refused("insert", sql.send()).await)?;
    ensure!(ends(client, setup).await? == before, "a shard's end moved");
    Ok(count)
}
