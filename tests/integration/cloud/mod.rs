//! Sources in the cloud, against strict doubles of Log Service and OSS that run in this process: the real executable
//! pulls from them over loopback, and every promise about loss, repetition, time and secrets is held against what the
//! doubles know.

mod faults;
mod group;
mod hostile;
mod mirror;
mod oss;
mod secrets;
mod sls;
mod speed;
mod stage;
mod states;
mod trail;
