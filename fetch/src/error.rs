//! Every way a configuration of this room can be refused. Each message says what is wrong and what to write instead.
//! It must never carry a credential or a proxy's password.

use std::path::PathBuf;

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An endpoint that is none.
    #[error("endpoint `{given}`: {why}")]
    Endpoint {
        /// What was given.
        given: String,
        /// What is wrong with it and what to write.
        why: String,
    },
    /// A project or bucket whose name cannot be one.
    #[error("`{0}` is no name of a project or bucket: 3 to 63 of a-z, 0-9 and `-`, neither first nor last a `-`")]
    Name(String),
    /// V4 signatures contain the region, and the endpoint's name does not tell it.
    #[error("the region cannot be told from the endpoint `{0}`; set `region`, for example `cn-hangzhou`")]
    Region(String),
    /// A proxy variable or setting that cannot be used.
    #[error("the proxy of {from} cannot be used: {why}; write it as http://[user:password@]host:port")]
    Proxy {
        /// The variable or setting.
        from: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The file of further certificate authorities.
    #[error("the certificate file {path}: {why}; it must hold at least one PEM certificate")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No certificate authority at all.
    #[error("no certificate authority was found ({0}); install the package ca-certificates or set `ca_file`")]
    NoAuthorities(String),
    /// A number out of its bounds.
    #[error("{0}")]
    Bounds(&'static str),
}
