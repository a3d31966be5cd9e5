//! Keys do not belong into the configuration: a file that is copied, mailed and kept in version control.
//!
//! Must never show the value that was given.

use super::error::shown;

/// What people call a secret's option, without separators and in lower case.
const NAMES: [&str; 12] = [
    "accesskey",
    "accesskeyid",
    "accesskeysecret",
    "accesskeyidsecret",
    "secretaccesskey",
    "secretkey",
    "secret",
    "securitytoken",
    "ststoken",
    "sessiontoken",
    "token",
    "password",
];

/// Message and help for an option that would hold a secret; `path` is the option, dotted.
pub(super) fn refused(path: &str, key: &str) -> Option<(String, &'static str)> {
    if !key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
        return None;
    }
    let plain: String = key.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.contains(&plain.as_str()).then(|| {
        (
            format!("{} would put a secret into the configuration file", shown(path)),
            "take it out, and replace the key if this file was shared; then say where it is: `credentials: {type: environment}`, \
             `{type: file, path: …}` with mode 0600, or, without any long-lived key, `{type: ecs_ram_role}` or `{type: oidc}`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_it_is_called() {
        for key in ["access_key_secret", "AccessKeySecret", "access-key-id", "securityToken", "password"] {
            assert!(refused(key, key).is_some(), "{key}");
        }
        for key in ["secret_variable", "token_file", "key_file", "tokens", "${SECRET}"] {
            assert!(refused(key, key).is_none(), "{key}");
        }
    }
}
