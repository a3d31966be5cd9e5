//! Every call of the SDK that reads, and those of consumer groups. It must never write.

use aliyun_log_rust_sdk::Client;
use aliyun_log_rust_sdk::get_cursor_models::CursorPos;
use aliyun_log_sdk_protobuf::LogGroupList;
use anyhow::{Result, ensure};

use crate::{PROJECT, Setup};

/// Log groups a page.
const PAGE: i32 = 1000;
/// Most logs of a page of a search.
const LINES: u32 = 100;

/// Project, Logstore, index and shards, as the SDK's own types: what a type wants and does not find is an error.
pub(crate) async fn metadata(client: &Client, setup: &Setup) -> Result<()> {
    let listed = client.list_projects(0, 100).project_name(PROJECT).send().await?;
    let names: Vec<&str> = listed.get_body().projects().iter().map(|one| one.project_name().as_str()).collect();
    ensure!(names == [PROJECT] && *listed.get_body().total() == 1, "{:?}", listed.get_body());
    let project = client.get_project(PROJECT).send().await?;
    ensure!(
        project.get_body().project_name() == PROJECT && project.get_request_id().is_some(),
        "{:?}",
        project.get_body()
    );
    let logstores = client.list_logstores(PROJECT, 0, 100).send().await?;
    ensure!(logstores.get_body().logstores().contains(&setup.logstore), "{:?}", logstores.get_body());
    let logstore = client.get_logstore(PROJECT, &setup.logstore).send().await?;
    let body = logstore.get_body();
    ensure!((usize::try_from(*body.shard_count())?, *body.enable_tracking()) == (setup.shards, false), "{body:?}");
    let index = client.get_index(PROJECT, &setup.logstore).send().await?.take_body();
    ensure!(index.keys.is_some_and(|keys| keys.contains_key("eventName")), "no index of eventName");
    Ok(())
}

/// Where a shard begins or ends now.
pub(crate) async fn cursor(client: &Client, setup: &Setup, shard: i32, at: CursorPos) -> Result<String> {
    let found = client.get_cursor(PROJECT, &setup.logstore, shard).cursor_pos(at).send().await?;
    Ok(found.get_body().cursor().to_owned())
}

/// The numbers of all shards.
pub(crate) async fn shards(client: &Client, setup: &Setup) -> Result<Vec<i32>> {
    let found = client.list_shards(PROJECT, &setup.logstore).send().await?;
    let shards: Vec<i32> = found.get_body().shards().iter().map(|shard| *shard.shard_id()).collect();
    ensure!(shards.len() == setup.shards, "{shards:?}");
    Ok(shards)
}

/// Every record of every shard, from its beginning to its end, as text, in order. Twice: up to an end, which the SDK names otherwise
/// than the others do, and raw without one.
pub(crate) async fn pulled(client: &Client, setup: &Setup) -> Result<Vec<String>> {
    let (mut events, mut open) = (Vec::new(), 0);
    for shard in shards(client, setup).await? {
        let end = cursor(client, setup, shard, CursorPos::End).await?;
        let mut at = cursor(client, setup, shard, CursorPos::Begin).await?;
        let pull = |at: &str| client.pull_logs(PROJECT, &setup.logstore, shard).cursor(at).count(PAGE);
        while at != end {
            let page = pull(&at).end_cursor(&end).send().await?.take_body();
            let groups = *page.log_group_count();
            ensure!(groups > 0 && usize::try_from(groups)? == page.log_group_list().len(), "{groups} groups");
            at.clone_from(page.next_cursor());
            for log in page.into_log_group_list().iter().flat_map(|group| group.logs()) {
                let event = log.contents().iter().find(|content| content.key() == "event");
                events.push(event.map(|content| content.value().clone()).unwrap_or_default());
            }
        }
        ensure!(pull(&end).send().await?.get_body().log_group_list().is_empty(), "there is something behind the end");
        let begin = cursor(client, setup, shard, CursorPos::Begin).await?;
        let by_time = cursor(client, setup, shard, CursorPos::UnixTimeStamp(1)).await?;
        ensure!(by_time == begin, "{by_time}, {begin}");
        open += walked(client, setup, shard, begin).await?;
    }
    ensure!(open == events.len(), "{open} without an end, {} with", events.len());
    events.sort();
    Ok(events)
}

/// How many logs there are from a cursor on, up to the first page that has none; pages as their bytes, decoded here.
async fn walked(client: &Client, setup: &Setup, shard: i32, mut at: String) -> Result<usize> {
    let mut logs = 0;
    loop {
        let pull = client.pull_logs_raw(PROJECT, &setup.logstore, shard).cursor(&at).count(PAGE);
        let page = pull.send().await?.take_body();
        let groups = LogGroupList::decode(page.data())?;
        ensure!(
            usize::try_from(*page.log_group_count())? == groups.log_groups().len(),
            "another count than its header's"
        );
        if groups.log_groups().is_empty() {
            ensure!(*page.next_cursor() == at, "a page without anything moved the cursor");
            return Ok(logs);
        }
        at.clone_from(page.next_cursor());
        logs += groups.log_groups().iter().map(|group| group.logs().len()).sum::<usize>();
    }
}

/// What `search` finds of the logs, page by page, and what SQL counts.
pub(crate) async fn searches(client: &Client, setup: &Setup) -> Result<Vec<String>> {
    let ask = |query: &str| client.get_logs(PROJECT, &setup.logstore).from(setup.from).to(setup.to).query(query);
    let mut events = Vec::new();
    loop {
        let offset = u32::try_from(events.len())?;
        let page = ask(&setup.query).line(LINES).offset(offset).reverse(true).send().await?.take_body();
        ensure!(page.is_complete() && page.meta().count().is_some(), "{:?}", page.meta());
        if page.logs_count() == 0 {
            break;
        }
        events.extend(page.take_logs().into_iter().filter_map(|mut log| log.remove("event")));
    }
    ensure!(events.len() == setup.expected, "{} instead of {}", events.len(), setup.expected);
    let table = ask("* | select eventName, count(1) as n from log group by eventName").send().await?.take_body();
    ensure!(table.is_complete() && *table.meta().has_sql() == Some(true), "{:?}", table.meta());
    let row = table.logs().first();
    let n = row.and_then(|row| row.get("n")).map(String::as_str);
    ensure!(table.logs_count() == 1 && n == Some(setup.count.to_string().as_str()), "{row:?}");
    events.sort();
    Ok(events)
}

/// A consumer group from its creation to its end.
pub(crate) async fn groups(client: &Client, setup: &Setup) -> Result<()> {
    let (logstore, group) = (&setup.logstore, "rust");
    client.create_consumer_group(PROJECT, logstore, group).timeout(60).order(false).send().await?;
    client.update_consumer_group(PROJECT, logstore, group).timeout(90).order(true).send().await?;
    let listed = client.list_consumer_groups(PROJECT, logstore).send().await?;
    let ours = listed.get_body().consumer_groups().iter().find(|one| one.consumer_group_name() == group);
    ensure!(ours.is_some_and(|one| *one.timeout() == 90 && *one.order()), "{ours:?}");
    let beat = client.consumer_group_heartbeat(PROJECT, logstore, group).consumer("c").shards(vec![]).send().await?;
    let mut held = beat.get_body().shards().clone();
    held.sort_unstable();
    ensure!(held == shards(client, setup).await?, "{held:?}");
    let end = cursor(client, setup, 1, CursorPos::End).await?;
    let store = client.update_consumer_group_checkpoint(PROJECT, logstore, group).shard_id(1).consumer_id("c");
    store.checkpoint(&end).force_success(false).send().await?;
    let points = client.get_consumer_group_checkpoint(PROJECT, logstore, group).send().await?;
    for point in points.get_body().checkpoints() {
        let wanted = if *point.shard_id() == 1 { end.as_str() } else { "" };
        ensure!(point.checkpoint() == wanted, "{point:?}");
    }
    ensure!(points.get_body().checkpoints().len() == setup.shards, "{:?}", points.get_body());
    client.delete_consumer_group(PROJECT, logstore, group).send().await?;
    Ok(())
}
