//! A real Vector works off a backlog of spool files with the printed block, and is killed meanwhile.

use std::process::Stdio;

use crate::agents::real::{Running, Start, backlog};

/// It notes its place once a second and only behind what was written, so a kill repeats and loses nothing.
#[test]
fn vector_works_off_a_backlog_and_is_killed() {
    let Some(agent) = super::find("a backlog of spool files") else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = super::configured(dir.path(), "spool", &[]);
    let start = || Running::start(super::on(&agent, &file).stdout(Stdio::null()).stderr(Stdio::null()));
    let lost = backlog("Vector file source", dir.path(), Start::Joins, &start).lost;
    assert!(lost.is_empty(), "lost: {lost:?}");
}
