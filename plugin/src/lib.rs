//! The component: all that innertrail knows of ActionTrail.
//!
//! Rooms, in the order of the data: [`source`] plans reads and cuts frames, [`decode`] opens containers and lifts
//! fields, [`classify`] says what a record means, [`redact`] masks secrets, [`route`] decides where it goes;
//! [`transform`] wires the last four, [`event`] holds the encodings. No I/O, no clock, no randomness: the host hands
//! in bytes and time. It builds natively too, for tests.

pub mod classify;
#[cfg(target_family = "wasm")]
mod component;
pub mod decode;
pub mod event;
#[cfg(feature = "faults")]
mod faults;
pub mod redact;
pub mod route;
pub mod source;
pub mod transform;
