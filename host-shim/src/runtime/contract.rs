//! Holds the component's answers against the contract: what the host is about to rely on has to be true.
//!
//! It must never correct an answer. A wrong one is refused whole, and the frames take the way of a trap.

use std::collections::BTreeSet;

use super::fault::short;
use super::wit::source::{Action, Emitted, State};
use super::wit::transform::{Batch, Claim, Route, Routed};

/// Output may be so many times the input, and a fixed amount more for the batch and for each entry.
const MAX_GROWTH: usize = 8;
const BATCH_SLACK: usize = 64 << 10;
const ENTRY_SLACK: usize = 1 << 10;

/// Most bytes that a session may ask for in one read.
pub(super) const MAX_READ_BYTES: u32 = 16 << 20;

/// Checks the ends, the routes, the size, and that every input byte is accounted for (invariant I7).
pub(super) fn check_routed(batch: &Batch<'_>, routed: &Routed) -> Result<(), String> {
    let mut end = 0;
    let mut consumed = 0_u64;
    for (place, entry) in routed.entries.iter().enumerate() {
        if entry.end < end {
            return Err(format!("entry {place} ends at {}, before the one ahead of it at {end}", entry.end));
        }
        if (entry.route == Route::Quarantine) != entry.reason.is_some() {
            return Err(format!("entry {place} has a reason exactly if it is not in quarantine"));
        }
        end = entry.end;
        consumed += u64::from(entry.consumed);
    }
    if end as usize != routed.data.len() {
        return Err(format!("entries end at {end}, the data at {}", routed.data.len()));
    }
    let input = batch.data.len() as u64;
    if consumed.checked_add(routed.framing_bytes) != Some(input) {
        return Err(format!(
            "{input} bytes went in, {consumed} are in entries and {} between them",
            routed.framing_bytes
        ));
    }
    check_size(batch, routed.entries.len(), routed.data.len())
}

/// Entries cannot be more than bytes and frames, so that nothing grows out of nothing.
fn check_size(batch: &Batch<'_>, entries: usize, bytes: usize) -> Result<(), String> {
    let most = batch.data.len() + batch.frames.len();
    if entries > most {
        return Err(format!("{entries} entries came of {} bytes", batch.data.len()));
    }
    let entry = ENTRY_SLACK + batch.source.len() + batch.origin.len();
    let allowed = batch.data.len() * MAX_GROWTH + BATCH_SLACK + entries.saturating_mul(entry);
    if bytes > allowed {
        return Err(format!("{bytes} bytes came of {}, at most {allowed} may", batch.data.len()));
    }
    Ok(())
}

/// Checks that claims come in order, once an event, and are no larger than what they are made from.
pub(super) fn check_claims(batch: &Batch<'_>, claims: &[Claim]) -> Result<(), String> {
    if !claims.is_sorted_by(|a, b| a.event < b.event) {
        return Err("claims do not come in the order of the events, once each".into());
    }
    let bytes = claims.iter().map(|claim| claim.canonical.len() + claim.mark.len()).sum();
    check_size(batch, claims.len(), bytes)
}

/// Most requests that a session may have open.
pub(super) const MOST_OPEN: usize = 16;

/// What a session of files waits for is in its last answer alone; one of the network may have more open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Waits {
    /// It reads files.
    Files,
    /// It reads the network.
    Network {
        /// Requests that are open.
        open: BTreeSet<u64>,
        /// Whether it is told of something in any case: frames of it that are not durable yet.
        more: bool,
    },
}

/// Checks an answer of a session, and notes what it opens.
pub(super) fn check_actions(actions: &[Action], waits: &mut Waits) -> Result<(), String> {
    match waits {
        Waits::Files => check_file_actions(actions)?,
        Waits::Network { open, more } => check_network_actions(actions, open, *more)?,
    }
    actions.iter().try_for_each(|action| match action {
        Action::Emit(emitted) => check_emitted(emitted),
        Action::ReadFile(read) if read.max_bytes == 0 || read.max_bytes > MAX_READ_BYTES => {
            Err(format!("a read of {} bytes is not possible", read.max_bytes))
        }
        _ => Ok(()),
    })
}

/// One action with an outcome at the most, and at the end.
fn check_file_actions(actions: &[Action]) -> Result<(), String> {
    let Some((last, before)) = actions.split_last() else {
        return Err("a step answered with no action, so the session could never go on".into());
    };
    if let Some(action) = actions.iter().find(|action| matches!(action, Action::Fetch(_) | Action::Gap(_))) {
        return Err(format!("a session that reads files asked for {}", name(action)));
    }
    if let Some(action) = before.iter().find(|action| ends_answer(action)) {
        return Err(format!("the action {} is not the last of its answer", name(action)));
    }
    if !ends_answer(last) && !is_over(last) {
        return Err(format!("an answer ends with {}, which has no outcome", name(last)));
    }
    Ok(())
}

/// Any number of requests, each with an id of its own, not too many open; a wait or the end last; never an answer after
/// which nothing could wake the session.
fn check_network_actions(actions: &[Action], open: &mut BTreeSet<u64>, mut more: bool) -> Result<(), String> {
    for (place, action) in actions.iter().enumerate() {
        let last = place + 1 == actions.len();
        match action {
            Action::ListFiles(_) | Action::ReadFile(_) => {
                return Err(format!("a session that reads the network asked for {}", name(action)));
            }
            Action::Wait(_) | Action::Finish if !last => {
                return Err(format!("the action {} is not the last of its answer", name(action)));
            }
            Action::Fetch(request) => {
                if !open.insert(request.id) {
                    return Err(format!("a second request has the id {} while the first is open", request.id));
                }
                if open.len() > MOST_OPEN {
                    return Err(format!("{} requests are open, at most {MOST_OPEN} may", open.len()));
                }
            }
            Action::Emit(_) => more = true,
            _ => {}
        }
    }
    let goes_on = actions.last().is_some_and(|last| ends_answer(last) || is_over(last));
    if !goes_on && open.is_empty() && !more {
        return Err("a step answered with nothing that has an outcome, so the session could never go on".into());
    }
    Ok(())
}

/// Whether nothing can follow in the same answer.
fn ends_answer(action: &Action) -> bool {
    matches!(action, Action::ListFiles(_) | Action::ReadFile(_) | Action::Wait(_) | Action::Finish)
}

fn is_over(action: &Action) -> bool {
    matches!(action, Action::State(State::Failed(_) | State::Finished))
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::ListFiles(_) => "list-files",
        Action::ReadFile(_) => "read-file",
        Action::Emit(_) => "emit",
        Action::Checked(_) => "checked",
        Action::Note(_) => "note",
        Action::State(_) => "state",
        Action::Wait(_) => "wait",
        Action::Fetch(_) => "fetch",
        Action::Gap(_) => "gap",
        Action::Finish => "finish",
    }
}

/// Checks that frames tile their bytes, go forward in the file, and are covered by the input they claim.
fn check_emitted(emitted: &Emitted) -> Result<(), String> {
    let (mut end, mut offset) = (0, 0);
    for (place, frame) in emitted.frames.iter().enumerate() {
        if frame.end < end || frame.offset < offset {
            return Err(format!("frame {place} of {} goes backwards", short(&emitted.origin)));
        }
        (end, offset) = (frame.end, frame.offset);
    }
    let bytes = emitted.data.len();
    if end as usize != bytes {
        return Err(format!("frames end at {end}, the data at {bytes}"));
    }
    if emitted.input_bytes < bytes as u64 {
        return Err(format!("{bytes} bytes are said to cover {} of input", emitted.input_bytes));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::wit::source::{HttpRequest, Signer};
    use super::super::wit::transform::{Codec, Entry, Frame, Provenance, Reason};
    use super::*;

    const FRAMES: [Frame; 2] = [Frame { end: 3, offset: 0, fault: None }, Frame { end: 5, offset: 3, fault: None }];

    fn batch() -> Batch<'static> {
        Batch {
            provenance: Provenance::OwnSource,
            source: "s",
            origin: "o",
            codec: Codec::Json,
            data: b"[1,2]",
            frames: &FRAMES,
            sealed: &[],
        }
    }

    fn entry(end: u32, consumed: u32) -> Entry {
        Entry { end, route: Route::Dedicated, reason: None, consumed }
    }

    fn routed(entries: Vec<Entry>, data: &[u8], framing_bytes: u64) -> Routed {
        Routed { data: data.to_vec(), entries, framing_bytes, duplicate_keys: 0, redacted: 0 }
    }

    #[test]
    fn an_honest_answer_passes() {
        let answer = routed(vec![entry(1, 3), entry(2, 1)], b"12", 1);
        assert_eq!(check_routed(&batch(), &answer), Ok(()));
        assert_eq!(check_routed(&batch(), &routed(vec![], b"", 5)), Ok(()));
    }

    #[test]
    fn broken_promises_are_named() {
        let quarantined = Entry { route: Route::Quarantine, ..entry(2, 4) };
        let reasoned = Entry { reason: Some(Reason::Poison), ..entry(2, 4) };
        let cases = [
            (routed(vec![entry(2, 2), entry(1, 2)], b"12", 1), "before the one ahead"),
            (routed(vec![entry(1, 4)], b"12", 1), "entries end at 1"),
            (routed(vec![entry(3, 4)], b"12", 1), "entries end at 3"),
            (routed(vec![entry(2, 4)], b"12", 0), "5 bytes went in"),
            (routed(vec![entry(2, 4)], b"12", 2), "5 bytes went in"),
            (routed(vec![entry(2, 4)], b"12", u64::MAX), "5 bytes went in"),
            (routed(vec![quarantined], b"12", 1), "reason"),
            (routed(vec![reasoned], b"12", 1), "reason"),
            (routed(vec![entry(0, 0); 8], b"", 5), "8 entries came of 5 bytes"),
            (routed(vec![entry(90_000, 4)], &[b' '; 90_000], 1), "at most"),
        ];
        for (answer, expected) in cases {
            let text = check_routed(&batch(), &answer).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn claims_come_once_and_in_order() {
        let claim = |event| Claim { event, index: 0, mark: vec![], canonical: vec![] };
        assert_eq!(check_claims(&batch(), &[claim(0), claim(2)]), Ok(()));
        assert!(check_claims(&batch(), &[claim(2), claim(2)]).is_err());
        assert!(check_claims(&batch(), &[claim(2), claim(1)]).is_err());
        let huge = Claim { canonical: vec![0; 90_000], ..claim(0) };
        assert!(check_claims(&batch(), &[huge]).is_err());
    }

    fn fetch(id: u64) -> Action {
        Action::Fetch(HttpRequest {
            id,
            endpoint: "demo".to_owned(),
            signer: Signer::None,
            renew: false,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            query: vec![],
            headers: vec![],
            body: vec![],
            max_body: 1,
            retries: true,
            about: "a test".to_owned(),
        })
    }

    #[test]
    fn a_session_of_the_network_may_have_much_open_and_never_nothing() {
        let check = |actions: &[Action], open: &[u64], more| {
            let mut waits = Waits::Network { open: open.iter().copied().collect(), more };
            check_actions(actions, &mut waits).map(|()| match waits {
                Waits::Network { open, .. } => open.len(),
                Waits::Files => 0,
            })
        };
        assert_eq!(check(&[fetch(1), fetch(2), Action::Wait(5)], &[7], false), Ok(3));
        assert_eq!(check(&[], &[7], false), Ok(1));
        assert_eq!(check(&[], &[], true), Ok(0));
        assert_eq!(check(&[Action::Finish], &[7], false), Ok(1));
        assert_eq!(check(&[Action::State(State::Finished)], &[], false), Ok(0));
        let many: Vec<Action> = (0..16).map(fetch).collect();
        assert_eq!(check(&many, &[], false), Ok(16));
        for (actions, open, why) in [
            (vec![], vec![], "could never go on"),
            (vec![Action::Note("x".to_owned())], vec![], "could never go on"),
            (vec![fetch(1), fetch(1)], vec![], "a second request"),
            (vec![fetch(7)], vec![7], "a second request"),
            (many, vec![17], "17 requests are open"),
            (vec![Action::Wait(5), fetch(1)], vec![], "not the last"),
            (vec![Action::ListFiles((vec![], vec![]))], vec![], "list-files"),
        ] {
            let told = check(&actions, &open, false).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        assert!(check_actions(&[fetch(1)], &mut Waits::Files).unwrap_err().contains("fetch"));
    }
}
