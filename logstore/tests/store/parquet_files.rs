//! What other engines find in a segment: encodings, statistics, bloom filters, metadata.

use std::fs::File;

use innertrail_logstore::{Snapshot, Store};
use parquet::basic::Compression;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::support::{NOW, events, open};

#[test]
fn a_segment_is_written_as_the_format_says() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut writer = open(&dir);
    writer.commit(events(0..500), NOW).unwrap();
    writer.close(NOW).unwrap();
    let snapshot = Snapshot::open(&dir).unwrap();
    let file = SerializedFileReader::new(File::open(&snapshot.segments(Store::Log)[0].path).unwrap()).unwrap();
    let meta = file.metadata();
    let mut lines: Vec<String> = meta
        .row_group(0)
        .columns()
        .iter()
        .map(|c| {
            let bloom = c.bloom_filter_offset().is_some();
            let statistics = c.statistics().is_some();
            let mut encodings: Vec<String> = c.encodings().map(|e| e.to_string()).collect();
            encodings.sort();
            format!(
                "{} {} bloom={bloom} statistics={statistics} {}",
                c.column_path().string(),
                if matches!(c.compression(), Compression::ZSTD(_)) { "zstd" } else { "?" },
                encodings.join("+")
            )
        })
        .collect();
    for pair in meta.file_metadata().key_value_metadata().unwrap() {
        if pair.key.starts_with("innertrail") {
            lines.push(format!("{}={}", pair.key, pair.value.as_deref().unwrap_or_default()));
        }
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    it_seq zstd bloom=false statistics=true DELTA_BINARY_PACKED+RLE
    it_received zstd bloom=false statistics=true DELTA_BINARY_PACKED+RLE
    eventId zstd bloom=true statistics=false PLAIN+RLE
    eventName zstd bloom=false statistics=false PLAIN+RLE+RLE_DICTIONARY
    size zstd bloom=false statistics=true DELTA_BINARY_PACKED+RLE
    eventTime zstd bloom=false statistics=true DELTA_BINARY_PACKED+RLE
    event zstd bloom=false statistics=false PLAIN+RLE
    innertrail.format=2
    innertrail.store=log
    innertrail.first_seq=0
    ");
}
