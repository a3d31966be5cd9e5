//! Rules of the console. Must never let it be served to others without a token.

use super::Broken;
use crate::config::sinks::Secret;
use crate::config::{Config, Console};

pub(super) fn broken(config: &Config) -> Vec<Broken> {
    let Some(console) = config.console.as_ref().filter(|console| !console.is_local()) else { return Vec::new() };
    let Console { listen, token, tls, plaintext, .. } = console;
    let rule = |operands: &[&str], what: &str, help| Broken {
        at: "console.listen".to_owned(),
        operands: operands.iter().map(|option| format!("console.{option}")).collect(),
        message: format!("`console.listen` ({listen}) is not of this machine alone, and {what}"),
        help,
    };
    let mut out = Vec::new();
    if *token == Secret::None {
        let help = "say where the token is: `token: {type: environment, variable: …}` or `{type: file, path: …}` with mode 0600";
        out.push(rule(&["listen", "token"], "there is no `console.token`", help));
    } else if tls.is_none() && !plaintext {
        let help = "give `tls: {certificate: …, key: …}`, or say `plaintext: true` when something in front does TLS";
        out.push(rule(&["listen", "tls", "plaintext"], "there is no `console.tls`", help));
    }
    out
}
