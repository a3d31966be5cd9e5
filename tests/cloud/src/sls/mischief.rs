//! What only an SLS server can do wrong: pages sent twice, cursors that go back, sizes that lie, pages that explode. It
//! must never lose a log by it: a client that asks again from where it was gets the truth.

use std::sync::Arc;

use super::proto::{put_bytes, put_varint};
use super::pull::Codec;
use super::{Inner, Target, cursor};
use crate::fault::{Bomb, Fault, Lie, Op, Phase};
use crate::http::{Reply, Request, lock};

/// Pages of the zeros bomb, in bytes.
const ZEROS: usize = 64 << 20;
/// Empty messages in a bomb of them.
const EMPTIES: usize = 4_000_000;
/// Depth of the nested bomb.
const DEPTH: usize = 100_000;

/// The bytes of a bomb before compression.
pub(super) fn bomb(bomb: Bomb) -> Vec<u8> {
    match bomb {
        Bomb::Zeros => vec![0; ZEROS],
        Bomb::EmptyGroups => [0x0a, 0x00].repeat(EMPTIES),
        Bomb::EmptyLogs => {
            let mut out = Vec::new();
            put_bytes(&mut out, 1, &[0x0a, 0x00].repeat(EMPTIES));
            out
        }
        Bomb::Overlong => {
            let mut out = vec![0x0a];
            put_varint(&mut out, 1 << 63);
            out.extend_from_slice(b"short");
            out
        }
        // Field 7, wire type 3 (start of a group), then as many ends.
        Bomb::Nested => [vec![0x3b; DEPTH], vec![0x3c; DEPTH]].concat(),
    }
}

impl Inner {
    /// Does to a good answer what is due.
    pub(super) fn spoil(&self, request: &Request, op: Op, target: &Target, reply: &mut Reply) {
        if op == Op::PullLogs {
            self.spoil_pull(request, target, reply);
        }
        self.front.after(op, reply, if op == Op::PullLogs { 0 } else { b' ' });
    }

    fn spoil_pull(&self, request: &Request, target: &Target, reply: &mut Reply) {
        let name = (target.project.clone(), target.logstore.clone(), target.item.clone());
        let asked = request.parameter("cursor").unwrap_or_default().trim_end().to_owned();
        let before = lock(&self.last).get(&name).cloned();
        // A page can be sent once more only to the client that has just had it: with the cursor it goes on from.
        let repeatable = before.filter(|before| {
            before.header("x-log-cursor") == Some(asked.as_str())
                && before.header("x-log-compresstype") == Codec::accepted(request).name_of()
                && !before.range.is_empty()
        });
        let older = self.older_cursor(target, &asked);
        let able = |fault: &Fault| match fault {
            Fault::Replay => repeatable.is_some(),
            Fault::CursorLoop => older.is_some() && !reply.range.is_empty(),
            Fault::RawSize { .. } => reply.range.len() > 1,
            Fault::Bomb { .. } => true,
            _ => false,
        };
        match self.front.faults.take(Op::PullLogs, Phase::After, able) {
            Some(Fault::Replay) => {
                if let Some(before) = repeatable {
                    *reply = before;
                }
            }
            Some(Fault::CursorLoop) => reply.set_header("x-log-cursor", older.unwrap_or_default()),
            Some(Fault::RawSize { lie }) => {
                let truth: u64 = reply.header("x-log-bodyrawsize").and_then(|size| size.parse().ok()).unwrap_or(2);
                let size = match lie {
                    Lie::Smaller => truth / 2,
                    Lie::Larger => truth * 2,
                    Lie::Huge => 1 << 32,
                };
                reply.set_header("x-log-bodyrawsize", size.to_string());
            }
            Some(Fault::Bomb { bomb: kind }) => {
                explode(reply, kind, Codec::accepted(request), &asked);
            }
            _ => {
                lock(&self.last).insert(name, reply.clone());
            }
        }
    }

    /// The first cursor that is kept, or one before; nothing when `cursor` is already there.
    fn older_cursor(&self, target: &Target, asked: &str) -> Option<String> {
        self.with_shard(target, |shard| {
            let ordinal = shard.ordinal(asked).unwrap_or_default();
            Ok((ordinal > shard.first()).then(|| shard.cursor(shard.first())))
        })
        .ok()?
        .filter(|older| cursor::decode(older).is_some())
    }
}

fn explode(reply: &mut Reply, kind: Bomb, codec: Codec, asked: &str) {
    let raw = bomb(kind);
    let size = raw.len();
    let Ok(body) = codec.compress(raw) else { return };
    *reply = reply.clone().with_shared(Arc::new(body));
    reply.set_header("x-log-bodyrawsize", size.to_string());
    reply.set_header("x-log-count", "1");
    reply.set_header("x-log-cursor", asked);
    if let Some(name) = codec.name_of() {
        reply.set_header("x-log-compresstype", name);
    }
}
