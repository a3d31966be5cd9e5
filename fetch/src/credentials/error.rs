//! Why there are no usable credentials. Each message says where they were looked for and what to do.
//! It must never hold any part of one; what a service says is scrubbed before it gets here.

use std::path::PathBuf;

/// No credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A variable that is not set.
    #[error("the environment variable {variable} is not set; {remedy}")]
    Variable {
        /// Its name.
        variable: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A file that others can read.
    #[error("{path} has mode {mode:04o}; run `chmod 600` on it: who reads it has the account's keys")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that is somebody else's.
    #[error("{path} belongs to user {owner}, and this process runs as user {user}; run `chown {user}` on it")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// This process's effective user.
        user: u32,
    },
    /// A file that cannot be read or does not hold what it should.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// A service that gave none.
    #[error("{service}: {why}")]
    Service {
        /// Which service.
        service: &'static str,
        /// What is wrong and what to do.
        why: String,
    },
    /// The default chain came to its end.
    #[error("no credentials in the default chain: {0}")]
    Chain(String),
}
