//! A configured pipeline in a sandbox: batches in, routed batches out, every answer checked.
//!
//! It must never hand an answer on that breaks the contract, and never open a new instance unasked.

use super::component::LoadedComponent;
use super::contract;
use super::fault::CallError;
use super::sandbox::{OpenError, Sandbox};
use super::wit::transform::{Batch, Claim, Encoding, Routed};
use std::time::Duration;
use wasmtime::component::ResourceAny;

/// A pipeline. One a thread; calls take `&mut self` because an instance does one thing at a time.
pub struct Transform {
    component: LoadedComponent,
    config: String,
    deadline: Duration,
    /// Absent when opening the last instance failed.
    live: Option<(Sandbox, ResourceAny)>,
}

impl Transform {
    /// Opens a pipeline. `config` is JSON of the shape that `describe().transform_schema` gives.
    ///
    /// # Errors
    /// [`OpenError::Config`] with everything that is wrong with the configuration; else a failing instance.
    pub fn open(component: &LoadedComponent, config: &str) -> Result<Self, OpenError> {
        let deadline = component.runtime().config.deadline;
        Ok(Self {
            component: component.clone(),
            config: config.into(),
            deadline,
            live: Some(open(component, config, deadline)?),
        })
    }

    /// Replaces the instance by a fresh one with the same configuration.
    ///
    /// # Errors
    /// As [`Transform::open`]; the pipeline is dead then, and a later call may try again.
    pub fn reopen(&mut self) -> Result<(), OpenError> {
        // First let the old one go: its place in the pool may be the last.
        self.live = None;
        self.live = Some(open(&self.component, &self.config, self.deadline)?);
        Ok(())
    }

    /// Lists the seal marks that events of the batch bear.
    ///
    /// # Errors
    /// [`CallError`]; the instance is dead then.
    pub fn claims(&mut self, batch: &Batch<'_>) -> Result<Vec<Claim>, CallError> {
        let (sandbox, pipeline) = self.live()?;
        let claims = sandbox.call(|store, plugin| {
            let transform = plugin.innertrail_plugin_transform();
            transform.pipeline().call_claims(store, pipeline, batch.clone())
        })?;
        sandbox.judge(contract::check_claims(batch, &claims))?;
        Ok(claims)
    }

    /// Takes a batch through the rooms.
    ///
    /// # Errors
    /// [`CallError`]; the instance is dead then.
    pub fn run(&mut self, batch: &Batch<'_>, encoding: Encoding) -> Result<Routed, CallError> {
        let (sandbox, pipeline) = self.live()?;
        let routed = sandbox.call(|store, plugin| {
            let transform = plugin.innertrail_plugin_transform();
            transform.pipeline().call_run(store, pipeline, batch.clone(), encoding)
        })?;
        sandbox.judge(contract::check_routed(batch, &routed))?;
        Ok(routed)
    }

    /// Tells what happens to the batch, room by room, as a JSON object. Not checked to be JSON.
    ///
    /// # Errors
    /// [`CallError`]; the instance is dead then.
    pub fn explain(&mut self, batch: &Batch<'_>) -> Result<String, CallError> {
        let (sandbox, pipeline) = self.live()?;
        sandbox.call(|store, plugin| {
            let transform = plugin.innertrail_plugin_transform();
            transform.pipeline().call_explain(store, pipeline, batch.clone())
        })
    }

    /// Sets the deadline of the calls from now on, also of later instances.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
        if let Some((sandbox, _)) = &mut self.live {
            sandbox.set_deadline(deadline);
        }
    }

    /// The deadline of calls.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Most linear memory of this instance so far, bytes.
    #[must_use]
    pub fn peak_memory(&self) -> usize {
        self.live.as_ref().map_or(0, |(sandbox, _)| sandbox.peak_memory())
    }

    fn live(&mut self) -> Result<(&mut Sandbox, ResourceAny), CallError> {
        match &mut self.live {
            Some((sandbox, pipeline)) => Ok((sandbox, *pipeline)),
            None => Err(CallError::Dead),
        }
    }
}

/// A fresh instance with an open pipeline in it.
fn open(component: &LoadedComponent, config: &str, deadline: Duration) -> Result<(Sandbox, ResourceAny), OpenError> {
    let mut sandbox = Sandbox::new(component)?;
    sandbox.set_deadline(deadline);
    let opened = sandbox.call(|store, plugin| {
        let transform = plugin.innertrail_plugin_transform();
        transform.pipeline().call_open(store, config)
    })?;
    let pipeline = opened.map_err(|findings| {
        let texts = findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message));
        OpenError::Config(texts.collect::<Vec<_>>().join("; "))
    })?;
    Ok((sandbox, pipeline))
}
