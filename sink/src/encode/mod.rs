//! How records are written for receivers that want a schema of their own.
//! It must never leave out the seal mark, or change the raw event.

pub mod ecs;
mod meaning;
pub mod ocsf;

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// A raw event that is no text, for formats that have nothing but texts.
fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
