//! `innertrail checkpoint`: the newest signed checkpoint, to be kept where whoever writes the Logstore cannot reach it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use innertrail_logstore::Snapshot;

use super::args::CheckpointArgs;
use super::{Failure, Outcome, print};

pub(super) fn run(args: &CheckpointArgs) -> Outcome {
    let snapshot = Snapshot::open(&args.data.data_dir).map_err(|e| Failure::Usage(e.into()))?;
    let note = snapshot.checkpoint().map_err(|e| Failure::Runtime(e.into()))?;
    print(&if args.line { as_line(&note) } else { note })
}

/// The note as one line, for a ticket or a message.
pub(super) fn as_line(note: &str) -> String {
    BASE64_STANDARD.encode(note)
}

/// A note in either form; what is not one line of base64 is the note itself.
pub(super) fn from_either_form(bytes: Vec<u8>) -> Vec<u8> {
    let line = bytes.trim_ascii();
    let decoded = (!line.contains(&b'\n')).then(|| BASE64_STANDARD.decode(line).ok()).flatten();
    decoded.unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_back() {
        let note = "innertrail/main-trail\n0\nAAAA\n\n— innertrail/main-trail AAAA\n";
        for form in [note.to_owned(), as_line(note), format!("  {}\r\n", as_line(note))] {
            assert_eq!(from_either_form(form.into_bytes()), note.as_bytes());
        }
        assert_eq!(from_either_form(b"not base64!".to_vec()), b"not base64!");
    }
}
