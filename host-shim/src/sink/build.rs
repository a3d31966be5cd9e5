//! From a sink's options to its sender.
//!
//! Must never send anything, or show what a reference holds.

use std::time::Duration;

use innertrail_sink::encode::Encoding;
use innertrail_sink::forward::{Auth, Forward, ForwardConfig, TlsConfig};
use innertrail_sink::http::{Body, Http, HttpConfig};
use innertrail_sink::otlp::{self, Otlp, OtlpConfig, Profile};
use innertrail_sink::spool::{Readers, Spool, SpoolConfig};
use innertrail_sink::stdout::Stream;
use innertrail_sink::vector::{Compression, Tls, Vector, VectorConfig};
use innertrail_sink::{Header, Reference, Sender};

use crate::config::Config;
use crate::config::sinks::{
    ForwardSink, HttpBody, HttpSink, JsonEncoding, OtlpEncoding, OtlpProfile, OtlpSink, Secret, Sink, SpoolMode,
    SpoolSink, StdoutEncoding, VectorCompression, VectorSink, VectorTls,
};
use crate::setup::SetupError;

/// A sink's name and its sender.
pub(crate) type Named = (String, Box<dyn Sender>);

/// The senders of a configuration, by name.
///
/// # Errors
/// [`SetupError::Sink`].
pub(crate) fn all(config: &Config) -> Result<Vec<Named>, SetupError> {
    config.sinks.iter().map(|(name, sink)| Ok((name.clone(), one(name, sink)?))).collect()
}

/// Whether each can be set up; makes no folder.
///
/// # Errors
/// [`SetupError::Sink`].
pub(crate) fn check(name: &str, sink: &Sink) -> Result<(), SetupError> {
    match sink {
        Sink::Stdout(_) => Ok(()),
        Sink::Spool(sink) => {
            spool(sink).check().map_err(|e| SetupError::Sink { name: name.to_owned(), why: e.to_string() })
        }
        other => one(name, other).map(|_| ()),
    }
}

/// The sender of one sink.
///
/// # Errors
/// [`SetupError::Sink`].
pub(crate) fn one(name: &str, sink: &Sink) -> Result<Box<dyn Sender>, SetupError> {
    let made = match sink {
        Sink::Vector(sink) => Vector::new(vector(sink)).map(|s| Box::new(s) as Box<dyn Sender>).map_err(told),
        Sink::Otlp(sink) => otlp(sink).and_then(|c| Otlp::new(&c).map(|s| Box::new(s) as _).map_err(told)),
        Sink::Forward(sink) => Forward::new(forward(sink)).map(|s| Box::new(s) as _).map_err(told),
        Sink::Http(sink) => http(sink).and_then(|c| Http::new(c).map(|s| Box::new(s) as _).map_err(told)),
        Sink::Spool(sink) => Spool::open(spool(sink)).map(|s| Box::new(s) as _).map_err(told),
        Sink::Stdout(sink) => Ok(Box::new(Stream::new(std::io::stdout(), stream(sink.encoding))) as _),
    };
    made.map_err(|why| SetupError::Sink { name: name.to_owned(), why })
}

#[allow(clippy::needless_pass_by_value)] // the form that `map_err` takes
fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(crate) fn ms(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

pub(crate) fn reference(secret: &Secret) -> Option<Reference> {
    match secret {
        Secret::None => None,
        Secret::Environment(at) => Some(Reference::Environment(at.variable.clone())),
        Secret::File(at) => Some(Reference::File(at.path.clone())),
    }
}

fn vector(sink: &VectorSink) -> VectorConfig {
    VectorConfig {
        compression: compression(sink.compression),
        tls: tls(&sink.tls),
        deadline: ms(sink.timeout_ms),
        ..VectorConfig::of(&sink.endpoint)
    }
}

pub(crate) fn compression(compression: VectorCompression) -> Compression {
    match compression {
        VectorCompression::None => Compression::None,
        VectorCompression::Gzip => Compression::Gzip,
        VectorCompression::Zstd => Compression::Zstd,
    }
}

pub(crate) fn tls(tls: &VectorTls) -> Tls {
    Tls {
        ca_file: tls.ca_file.clone(),
        client: tls.certificate_file.clone().zip(tls.key_file.clone()),
        server_name: tls.server_name.clone(),
    }
}

fn otlp(sink: &OtlpSink) -> Result<OtlpConfig, String> {
    Ok(OtlpConfig {
        encoding: match sink.encoding {
            OtlpEncoding::Protobuf => otlp::Encoding::Protobuf,
            OtlpEncoding::Json => otlp::Encoding::Json,
        },
        profile: profile(sink.profile),
        max_body: sink.max_request_bytes.map(bytes),
        gzip: sink.gzip,
        headers: headers(&sink.headers)?,
        timeout: ms(sink.timeout_ms),
        ca_file: sink.ca_file.clone(),
        ..OtlpConfig::of(&sink.endpoint)
    })
}

pub(crate) fn profile(profile: OtlpProfile) -> Profile {
    match profile {
        OtlpProfile::Collector => Profile::Collector,
        OtlpProfile::LoongCollector => Profile::LoongCollector,
        OtlpProfile::Rotel => Profile::Rotel,
        OtlpProfile::FluentBit => Profile::FluentBit,
    }
}

/// Headers of requests; the error is a sentence.
pub(crate) fn headers(named: &[crate::config::sinks::Header]) -> Result<Vec<Header>, String> {
    let one = |header: &crate::config::sinks::Header| {
        let no_value = || format!("the header {} has no value; name a variable or a file", header.name);
        let value = reference(&header.value).ok_or_else(no_value)?;
        Ok(Header { name: header.name.clone(), prefix: header.prefix.clone(), value })
    };
    named.iter().map(one).collect()
}

fn forward(sink: &ForwardSink) -> ForwardConfig {
    let auth = reference(&sink.auth.shared_key).map(|shared_key| Auth {
        shared_key,
        user: sink.auth.user.clone().zip(reference(&sink.auth.password)),
        hostname: sink.auth.hostname.clone().unwrap_or_else(|| "innertrail".to_owned()),
    });
    let tls = &sink.tls;
    ForwardConfig {
        tag: sink.tag.clone(),
        gzip: sink.gzip,
        tls: tls.enabled.then(|| TlsConfig { ca_file: tls.ca_file.clone(), server_name: tls.server_name.clone() }),
        auth,
        read_timeout: ms(sink.timeout_ms),
        max_message: bytes(sink.max_request_bytes),
        ..ForwardConfig::of(&sink.address)
    }
}

fn http(sink: &HttpSink) -> Result<HttpConfig, String> {
    Ok(HttpConfig {
        body: match sink.body {
            HttpBody::Lines => Body::Lines,
            HttpBody::Array => Body::Array,
        },
        encoding: encoding(sink.encoding),
        gzip: sink.gzip,
        headers: headers(&sink.headers)?,
        timeout: ms(sink.timeout_ms),
        ca_file: sink.ca_file.clone(),
        max_request_bytes: bytes(sink.max_request_bytes),
        ..HttpConfig::of(&sink.endpoint)
    })
}

fn bytes(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn spool(sink: &SpoolSink) -> SpoolConfig {
    let readers = match (sink.mode, &sink.group) {
        (SpoolMode::Auto, None) => None,
        (SpoolMode::Auto, Some(_)) | (SpoolMode::Group, _) => Some(Readers::Group),
        (SpoolMode::Owner, _) => Some(Readers::Owner),
        (SpoolMode::Everybody, _) => Some(Readers::Everybody),
    };
    SpoolConfig {
        prefix: sink.prefix.clone(),
        encoding: encoding(sink.encoding),
        rotate_bytes: sink.rotate_bytes,
        group: sink.group.clone(),
        readers,
        keep: (sink.keep_hours > 0).then(|| Duration::from_secs(3_600 * u64::from(sink.keep_hours))),
        ..SpoolConfig::of(&sink.dir)
    }
}

fn encoding(encoding: JsonEncoding) -> Encoding {
    match encoding {
        JsonEncoding::Json => Encoding::Json,
        JsonEncoding::NativeJson => Encoding::NativeJson,
        JsonEncoding::Ocsf => Encoding::Ocsf,
        JsonEncoding::Ecs => Encoding::Ecs,
    }
}

fn stream(encoding: StdoutEncoding) -> Encoding {
    match encoding {
        StdoutEncoding::NativeJson => Encoding::NativeJson,
        StdoutEncoding::Json => Encoding::Json,
        StdoutEncoding::Native => Encoding::Native,
        StdoutEncoding::Ocsf => Encoding::Ocsf,
        StdoutEncoding::Ecs => Encoding::Ecs,
    }
}
