//! The vendor's Rust SDK, unchanged, against a running `innertrail run`: makes every call that it has, and says in JSON what it found.
//! It reaches the run as its proxy (`http_proxy`), so that any name leads there. It must never reach any host but the proxy: every
//! name that it uses ends in .test.

mod reads;
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aliyun_log_rust_sdk::{
    Client, Config, Credentials, CredentialsError, CredentialsProvider, FromConfig, async_trait,
};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;

const ENDPOINT: &str = "http://logs.example.test";
const PROJECT: &str = "audit";

/// What the test tells of its run.
#[derive(Debug, Deserialize)]
struct Setup {
    id: String,
    secret: String,
    logstore: String,
    /// Events that are there.
    count: usize,
    /// Of them, those that `query` finds.
    expected: usize,
    query: String,
    shards: usize,
    /// Seconds since 1970 of all events.
    from: i64,
    to: i64,
}

/// Gives the key, and counts how often it is asked: who asks again takes a refusal for a wrong key.
struct Counting {
    id: String,
    secret: String,
    asked: Arc<AtomicU64>,
}

#[async_trait]
impl CredentialsProvider for Counting {
    async fn fetch_credentials(&self) -> Result<Credentials, CredentialsError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Credentials::new(&self.id, &self.secret)
    }
}

fn client(setup: &Setup, asked: &Arc<AtomicU64>) -> Result<Client> {
    let (id, secret) = (setup.id.clone(), setup.secret.clone());
    let provider = Counting { id, secret, asked: Arc::clone(asked) };
    let config = Config::builder().endpoint(ENDPOINT).credentials_provider(provider).build()?;
    Ok(Client::from_config(config)?)
}

async fn calls(setup: &Setup) -> Result<serde_json::Value> {
    let asked = Arc::new(AtomicU64::new(0));
    let client = client(setup, &asked)?;
    reads::metadata(&client, setup).await.context("metadata")?;
    let pulled = reads::pulled(&client, setup).await.context("pulls")?;
    let found = reads::searches(&client, setup).await.context("searches")?;
    reads::groups(&client, setup).await.context("consumer groups")?;
    let refused = writes::all(&client, setup).await.context("writes")?;
    anyhow::ensure!(asked.load(Ordering::Relaxed) == 1, "it asked for credentials again: {asked:?}");
    Ok(json!({"pulled": pulled, "found": found, "refused": refused}))
}

fn main() -> Result<()> {
    let setup = std::env::var("SETUP").context("SETUP holds what the test tells, as JSON")?;
    let setup: Setup = serde_json::from_str(&setup).context("SETUP")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(calls(&setup))?);
    Ok(())
}
