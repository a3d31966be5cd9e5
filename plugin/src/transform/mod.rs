//! Takes a batch through the rooms: decode, classify, redact, route, and writes what comes out.
//!
//! Pure: the same batch under the same configuration gives the same bytes. Every byte of every frame comes out again,
//! in an entry or counted as framing; nothing may be dropped here.

pub mod batch;
mod carrier;
pub mod config;
mod encode;
mod explain;
mod marked;
mod ordinary;
mod seal;
mod walk;

use std::borrow::Cow;

use batch::{Batch, Claim, Codec, Encoding, Entry, Fault, Frame, Routed};
use carrier::Carried;
use config::{Config, Diagnostic};
use encode::Context;

use crate::classify::{Event, classify};
use crate::decode::raw_event::{Envelope, RawEvent};
use crate::decode::{Decoded, Decoder, Record};
use crate::event::columns::Column;
use crate::event::row::RowWriter;
use crate::redact::Redactor;
use crate::route::{Provenance, Reason, Route, Router};

/// The rooms, set up.
#[derive(Debug)]
pub struct Transform {
    decoder: Decoder,
    redactor: Redactor,
    router: Router,
    /// What is sent beside a raw event.
    fields: marked::Fields,
}

/// What one call carries from record to record.
struct Output {
    routed: Routed,
    row: RowWriter,
    encoding: Encoding,
    /// Events seen so far in the batch, for the places that seal marks are given by.
    seen: u32,
    /// Bytes that the entries so far account for.
    consumed: u64,
}

/// How far an output had come.
struct Before {
    data: usize,
    entries: usize,
    duplicate_keys: u64,
    redacted: u64,
    seen: u32,
    consumed: u64,
}

/// Where a record stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    batch: &'a Batch<'a>,
    offset: u64,
    consumed: usize,
    /// The bytes to hand back where the encoding is verbatim.
    verbatim: &'a [u8],
}

impl Transform {
    /// Sets the rooms up.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration.
    pub fn open(json: &str) -> Result<Self, Vec<Diagnostic>> {
        let config = Config::parse(json)?;
        let decoder = config.decoder();
        let fields = marked::Fields::new(&decoder.watch);
        Ok(Self { decoder, redactor: config.redactor(), router: config.router(), fields })
    }

    /// Takes a batch through the rooms.
    pub fn run(&self, batch: &Batch<'_>, encoding: Encoding) -> Routed {
        let mut out = Output { routed: Routed::default(), row: RowWriter::default(), encoding, seen: 0, consumed: 0 };
        out.routed.data.reserve(batch.data.len() + batch.data.len() / 2);
        for (frame, bytes) in batch.pieces() {
            let before = out.consumed;
            self.frame(batch, frame, bytes, &mut out);
            out.routed.framing_bytes += (bytes.len() as u64).saturating_sub(out.consumed - before);
        }
        out.routed
    }

    /// Lists the seal marks in a batch.
    pub fn claims(&self, batch: &Batch<'_>) -> Vec<Claim> {
        let mut claims = Vec::new();
        let mut seen = 0;
        for (frame, bytes) in batch.pieces().filter(|(frame, _)| frame.fault.is_none()) {
            match self.quick_claim(batch.codec, bytes, seen) {
                Some(claim) => {
                    claims.extend(claim);
                    seen += 1;
                }
                None => self.records(batch, frame, bytes, &mut |_, record| {
                    if let Decoded::Event(event) = &record.decoded {
                        claims.extend(seal::claim(event, seen));
                        seen += 1;
                    }
                }),
            }
        }
        claims
    }

    /// What the one event of a frame claims, where that can be seen without decoding it.
    fn quick_claim(&self, codec: Codec, bytes: &[u8], seen: u32) -> Option<Option<Claim>> {
        if codec != Codec::Native {
            return None;
        }
        if memchr::memmem::find(bytes, b"it_seal").is_some() {
            return seal::claim_of_native(bytes, &self.decoder, seen);
        }
        self.is_ordinary(codec, bytes).then_some(None)
    }

    /// Tells the way of every record of the batch, room by room, as a JSON array.
    pub fn explain(&self, batch: &Batch<'_>) -> String {
        let mut told = Vec::new();
        let mut seen = 0;
        self.each(batch, &mut |place, record| {
            let sealed = batch.sealed.binary_search(&seen).is_ok();
            seen += u32::from(matches!(record.decoded, Decoded::Event(_)));
            told.push(explain::record(self, place, record, sealed));
        });
        serde_json::Value::from(told).to_string()
    }

    /// Every record of every frame that can be read, without routing it.
    fn each(&self, batch: &Batch<'_>, visit: &mut dyn FnMut(Place<'_>, Record<'_>)) {
        for (frame, bytes) in batch.pieces().filter(|(frame, _)| frame.fault.is_none()) {
            self.records(batch, frame, bytes, visit);
        }
    }

    /// Every record of one frame.
    fn records(&self, batch: &Batch<'_>, frame: Frame, bytes: &[u8], visit: &mut dyn FnMut(Place<'_>, Record<'_>)) {
        let Carried::Events(events) = carrier::open(batch.codec, bytes, self.decoder.max_depth) else { return };
        for (json, verbatim) in events {
            self.decoder.frame(&json, &mut |record| {
                let offset = frame.offset + record.start as u64;
                visit(Place { batch, offset, consumed: record.consumed, verbatim: &verbatim }, record);
            });
        }
    }

    fn frame(&self, batch: &Batch<'_>, frame: Frame, bytes: &[u8], out: &mut Output) {
        let whole = Place { batch, offset: frame.offset, consumed: bytes.len(), verbatim: bytes };
        if let Some(fault) = frame.fault {
            let reason = if fault == Fault::Poison { Reason::Poison } else { Reason::Undecodable };
            return out.bytes(whole, bytes, Route::Quarantine(reason), fault.as_str());
        }
        #[cfg(feature = "faults")]
        crate::faults::misbehave(bytes);
        if matches!(batch.codec, Codec::ActionTrail | Codec::Json) {
            return self.json(batch, frame, bytes, out);
        }
        match self.at_sight(batch, bytes, out) {
            Some(route) => {
                out.seen += 1;
                out.verbatim(whole, route);
            }
            None => self.decoded(batch, frame, bytes, out),
        }
    }

    /// Where the one event of a frame goes as it is, when that can be seen without decoding it.
    fn at_sight(&self, batch: &Batch<'_>, bytes: &[u8], out: &Output) -> Option<Route> {
        if out.encoding != Encoding::Verbatim || batch.codec != Codec::Native {
            return None;
        }
        if batch.sealed.binary_search(&out.seen).is_err() {
            return self.is_ordinary(batch.codec, bytes).then_some(Route::Passthrough);
        }
        let goes = |event: &Event<'_>| {
            self.router.route(event, batch.provenance, true).0 == Route::Dedicated
                && self.redactor.redact(&event.raw).is_none()
        };
        let agrees = batch.provenance == Provenance::Agent && marked::agrees(bytes, &self.decoder, &self.fields, goes);
        agrees.then_some(Route::Dedicated)
    }

    /// Whether a frame can be seen to be one ordinary log without decoding it. It counts as one event.
    fn is_ordinary(&self, codec: Codec, bytes: &[u8]) -> bool {
        codec == Codec::Native && ordinary::is_ordinary(bytes, self.decoder.max_depth)
    }

    /// A frame of an agent's encoding, taken apart.
    fn decoded(&self, batch: &Batch<'_>, frame: Frame, bytes: &[u8], out: &mut Output) {
        let whole = Place { batch, offset: frame.offset, consumed: bytes.len(), verbatim: bytes };
        match carrier::open(batch.codec, bytes, self.decoder.max_depth) {
            Carried::NotLogs => out.bytes(whole, bytes, Route::Passthrough, ""),
            Carried::Unreadable(detail) => {
                out.bytes(whole, bytes, Route::Quarantine(Reason::Undecodable), &detail);
            }
            Carried::Events(events) => self.carried(batch, frame, bytes.len(), &events, out),
        }
    }

    /// Records of plain JSON: each accounts for its own bytes.
    fn json(&self, batch: &Batch<'_>, frame: Frame, bytes: &[u8], out: &mut Output) {
        self.decoder.frame(bytes, &mut |record| {
            let verbatim = &bytes[record.start..record.start + record.consumed];
            let offset = frame.offset + record.start as u64;
            self.record(Place { batch, offset, consumed: record.consumed, verbatim }, record, out);
        });
    }

    /// Events out of an agent's frame: the frame's bytes are shared out among them.
    fn carried(
        &self,
        batch: &Batch<'_>,
        frame: Frame,
        len: usize,
        events: &[(carrier::JsonBytes<'_>, carrier::JsonBytes<'_>)],
        out: &mut Output,
    ) {
        let mut left = len;
        for (index, (json, verbatim)) in events.iter().enumerate() {
            let share = if index + 1 == events.len() { left } else { left.min(verbatim.len()) };
            left -= share;
            let place = Place { batch, offset: frame.offset, consumed: share, verbatim };
            self.carried_one(place, json, out);
        }
    }

    /// One event of an agent. Whatever it holds, it is handed back or refused whole.
    fn carried_one(&self, place: Place<'_>, json: &[u8], out: &mut Output) {
        let (mut records, mut events, mut logs) = (0, 0, 0);
        let before = out.place();
        self.decoder.frame(json, &mut |record| {
            records += 1;
            if let Decoded::Event(event) = &record.decoded {
                events += 1;
                logs += u32::from(event.family().is_some());
            }
            // Nearly every event is one record, so the first is routed at once, and taken back when another follows.
            if records == 1 {
                self.record(place, record, out);
            }
        });
        if records == 1 {
            return;
        }
        out.take_back(&before);
        out.seen += events;
        if logs == 0 {
            out.bytes(place, place.verbatim, Route::Passthrough, "");
        } else {
            let why = "several operation logs in one event of an agent";
            out.bytes(place, place.verbatim, Route::Quarantine(Reason::WriteProtected), why);
        }
    }

    fn record(&self, place: Place<'_>, record: Record<'_>, out: &mut Output) {
        let event = match record.decoded {
            Decoded::Bad { bytes, detail } => {
                return out.bytes(place, bytes, Route::Quarantine(Reason::Undecodable), &detail);
            }
            Decoded::Event(event) => event,
        };
        let sealed = self.is_sealed(&event, &place, out.seen);
        out.seen += 1;
        out.routed.duplicate_keys += u64::from(event.duplicate_keys);
        let event = classify(event);
        let Some((masked, count)) = self.masked(&event) else {
            return self.routed(&event, place, sealed, 0, out);
        };
        out.routed.redacted += u64::from(count);
        let duplicate_keys = event.raw.duplicate_keys;
        if let Some(raw) = self.decoder.again(&masked, event.raw.envelope) {
            let event = classify(RawEvent { duplicate_keys, ..raw });
            self.routed(&event, place, sealed, count, out);
        } else {
            out.bytes(
                place,
                &masked,
                Route::Quarantine(Reason::Undecodable),
                "could not be read again after redaction",
            );
        }
    }

    /// Operation logs are masked; what is none of ours passes through untouched.
    fn masked(&self, event: &Event<'_>) -> Option<(Vec<u8>, u32)> {
        event.family?;
        self.redactor.redact(&event.raw)
    }

    fn is_sealed(&self, event: &RawEvent<'_>, place: &Place<'_>, seen: u32) -> bool {
        place.batch.provenance == Provenance::Agent
            && place.batch.sealed.binary_search(&seen).is_ok()
            && seal::agrees(event, &self.decoder)
    }

    fn routed(&self, event: &Event<'_>, place: Place<'_>, sealed: bool, redacted: u32, out: &mut Output) {
        let (route, detail) = self.router.route(event, place.batch.provenance, sealed);
        let envelope = event.raw.envelope.and_then(|envelope| self.masked_envelope(envelope));
        let context = Context {
            source: place.batch.source,
            origin: place.batch.origin,
            offset: place.offset,
            redacted,
            envelope: envelope.as_deref(),
        };
        let data = &mut out.routed.data;
        match (out.encoding, route) {
            (Encoding::Verbatim, Route::Dedicated | Route::Passthrough) => data.extend_from_slice(place.verbatim),
            (Encoding::NativeJson, Route::Dedicated) => encode::native_json(event, data),
            (Encoding::NativeJson, Route::Passthrough) if event.family.is_none() => {
                data.extend_from_slice(b"{\"log\":");
                data.extend_from_slice(event.raw.bytes);
                data.push(b'}');
            }
            (Encoding::NativeJson, Route::Passthrough) => encode::native_json(event, data),
            (Encoding::Row, _) | (_, Route::Quarantine(_)) => {
                encode::begin(&mut out.row, event.raw.bytes, &context);
                if event.family.is_some() {
                    encode::fill(&mut out.row, event, &context);
                }
                quarantined(&mut out.row, route, detail);
                out.row.finish(event.raw.bytes, data);
            }
        }
        out.entry(route, place.consumed);
    }

    /// The record around an event is stored too, so its secrets are masked too.
    fn masked_envelope<'e>(&self, envelope: &'e Envelope) -> Option<Cow<'e, [u8]>> {
        if envelope.is_plain || envelope.json.is_empty() {
            return (!envelope.json.is_empty()).then_some(Cow::Borrowed(&envelope.json));
        }
        let raw = self.decoder.again_watched(&envelope.json)?;
        let masked = self.redactor.redact(&raw).map(|(masked, _)| Cow::Owned(masked));
        Some(masked.unwrap_or(Cow::Borrowed(&envelope.json)))
    }
}

fn quarantined(row: &mut RowWriter, route: Route, detail: &str) {
    if let Route::Quarantine(reason) = route {
        row.text(Column::QuarantineReason, reason.as_str());
        row.text(Column::QuarantineDetail, detail);
    }
}

impl Output {
    /// A record that goes on as it came.
    fn verbatim(&mut self, place: Place<'_>, route: Route) {
        self.routed.data.extend_from_slice(place.verbatim);
        self.entry(route, place.consumed);
    }

    /// A record that is no event: its bytes go as they are.
    fn bytes(&mut self, place: Place<'_>, bytes: &[u8], route: Route, detail: &str) {
        if self.encoding != Encoding::Row && route == Route::Passthrough {
            self.routed.data.extend_from_slice(place.verbatim);
        } else {
            let (source, origin, offset) = (place.batch.source, place.batch.origin, place.offset);
            encode::begin(&mut self.row, bytes, &Context { source, origin, offset, redacted: 0, envelope: None });
            quarantined(&mut self.row, route, detail);
            self.row.finish(bytes, &mut self.routed.data);
        }
        self.entry(route, place.consumed);
    }

    /// How far it has come.
    fn place(&self) -> Before {
        let Routed { data, entries, duplicate_keys, redacted, .. } = &self.routed;
        Before {
            data: data.len(),
            entries: entries.len(),
            duplicate_keys: *duplicate_keys,
            redacted: *redacted,
            seen: self.seen,
            consumed: self.consumed,
        }
    }

    /// Forgets what came since.
    fn take_back(&mut self, before: &Before) {
        self.routed.data.truncate(before.data);
        self.routed.entries.truncate(before.entries);
        (self.routed.duplicate_keys, self.routed.redacted) = (before.duplicate_keys, before.redacted);
        (self.seen, self.consumed) = (before.seen, before.consumed);
    }

    fn entry(&mut self, route: Route, consumed: usize) {
        let end = u32::try_from(self.routed.data.len()).unwrap_or(u32::MAX);
        let consumed = u32::try_from(consumed).unwrap_or(u32::MAX);
        self.consumed += u64::from(consumed);
        self.routed.entries.push(Entry { end, route, consumed });
    }
}
