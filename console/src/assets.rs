//! The files that pages are made of, built in: each with a strong ETag, and packed once when the server starts.
//! It must never serve a path that is not in the table, so there is no path to climb out of.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Paths that are pages: all of them are the one document, and its script reads the rest of the address.
pub(crate) const PAGES: [&str; 7] = ["/", "/overview", "/search", "/provider", "/integrity", "/alerts", "/consumers"];

macro_rules! built_in {
    ($($path:literal $kind:literal;)*) => {
        /// Path below `/assets/`, type, content.
        const FILES: &[(&str, &str, &[u8])] = &[$(($path, $kind, include_bytes!(concat!("../assets/", $path))),)*];
    };
}

const DOCUMENT: &[u8] = include_bytes!("../assets/index.html");

built_in! {
    "console.css" "text/css; charset=utf-8";
    "icon.svg" "image/svg+xml";
    "boot.js" "text/javascript; charset=utf-8";
    "vendor/htm/standalone.module.js" "text/javascript; charset=utf-8";
    "vendor/uplot/uPlot.iife.min.js" "text/javascript; charset=utf-8";
    "vendor/uplot/uPlot.min.css" "text/css; charset=utf-8";
    "js/app.js" "text/javascript; charset=utf-8";
    "js/api.js" "text/javascript; charset=utf-8";
    "js/bar.js" "text/javascript; charset=utf-8";
    "js/call.js" "text/javascript; charset=utf-8";
    "js/charts.js" "text/javascript; charset=utf-8";
    "js/complete.js" "text/javascript; charset=utf-8";
    "js/drawer.js" "text/javascript; charset=utf-8";
    "js/fields.js" "text/javascript; charset=utf-8";
    "js/histogram.js" "text/javascript; charset=utf-8";
    "js/login.js" "text/javascript; charset=utf-8";
    "js/page-alerts.js" "text/javascript; charset=utf-8";
    "js/page-consumers.js" "text/javascript; charset=utf-8";
    "js/page-integrity.js" "text/javascript; charset=utf-8";
    "js/page-overview.js" "text/javascript; charset=utf-8";
    "js/page-provider.js" "text/javascript; charset=utf-8";
    "js/page-search.js" "text/javascript; charset=utf-8";
    "js/plot.js" "text/javascript; charset=utf-8";
    "js/range.js" "text/javascript; charset=utf-8";
    "js/state.js" "text/javascript; charset=utf-8";
    "js/strings.js" "text/javascript; charset=utf-8";
    "js/table.js" "text/javascript; charset=utf-8";
    "js/text.js" "text/javascript; charset=utf-8";
    "js/time.js" "text/javascript; charset=utf-8";
}

/// One file as it is sent.
#[derive(Debug)]
pub(crate) struct Asset {
    path: &'static str,
    /// Its type.
    pub(crate) kind: &'static str,
    /// As it is.
    pub(crate) plain: Bytes,
    /// Packed.
    pub(crate) gzip: Bytes,
    tag: String,
}

impl Asset {
    fn new(path: &'static str, kind: &'static str, content: &'static [u8]) -> Self {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        // Into memory, where writing does not fail; if it did, what is packed would be empty and is then not sent.
        let gzip = packer.write_all(content).and_then(|()| packer.finish()).unwrap_or_default().into();
        let tag = Sha256::digest(content).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { path, kind, plain: Bytes::from_static(content), gzip, tag }
    }

    /// The ETag of this file, packed or not: the two differ in their bytes.
    pub(crate) fn tag(&self, packed: bool) -> String {
        format!("\"{}{}\"", self.tag, if packed { "-gz" } else { "" })
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Assets(Vec<Asset>);

impl Assets {
    /// Packs them.
    pub(crate) fn new() -> Self {
        let document = Asset::new("/", "text/html; charset=utf-8", DOCUMENT);
        let files = FILES.iter().map(|(path, kind, content)| Asset::new(path, kind, content));
        Self(std::iter::once(document).chain(files).collect())
    }

    /// What is served under a path of an address.
    pub(crate) fn find(&self, path: &str) -> Option<&Asset> {
        let path = if PAGES.contains(&path) { "/" } else { path.strip_prefix("/assets/")? };
        self.0.iter().find(|asset| asset.path == path)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "assets_tests.rs"]
mod tests;
