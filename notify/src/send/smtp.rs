//! Sends a mail over SMTP (RFC 5321) with STARTTLS (RFC 3207), TLS from the first byte, or neither.
//! It must never say anything but `EHLO` and `STARTTLS` before a connection that is to be encrypted is, log in without TLS, or take
//! anything but a 250 behind the message for yes.
//!
//! It is written out because `lettre` cannot be added without building DataFusion anew: it asks for `idna` with another set of
//! features. What is needed is small: one connection a message, no pipelining, a body that is ASCII already.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use zeroize::Zeroizing;

use super::answer::Verdict;
use super::talk::{Step, Stopped, Stream, Talk, before};
use super::timed::Timed;
use super::{SendError, roots};
use crate::config::{EmailChannel, EmailTls};
use crate::plain;
use crate::secret::{Scrub, SecretText};

/// Most characters of a server's words.
const WORDS: usize = 160;

/// A mail server, and who writes to whom.
pub(crate) struct Smtp {
    host: String,
    port: u16,
    mode: EmailTls,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    login: Option<(String, SecretText)>,
    from: String,
    to: Vec<String>,
    whole: Duration,
    scrub: Scrub,
}

impl Smtp {
    /// Prepares; connects to nothing.
    pub(crate) fn new(
        options: &EmailChannel,
        password: Option<SecretText>,
        mut scrub: Scrub,
    ) -> Result<Self, SendError> {
        let bad = |text: &str| SendError::Mail(text.to_owned());
        if let Some(address) = std::iter::once(&options.from).chain(&options.to).find(|a| !is_address(a)) {
            return Err(SendError::Mail(format!(
                "`{}` is no address of mail: write name@example.com, in ASCII",
                address.escape_debug()
            )));
        }
        if options.to.is_empty() {
            return Err(bad("`to` names nobody"));
        }
        let login = match (&options.user, password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some((user.clone(), password)),
            _ => return Err(bad("`user` and `password` go together")),
        };
        if login.is_some() && options.tls == EmailTls::None {
            return Err(bad(
                "a password is not sent without TLS; use `tls: starttls` or `tls: tls`, or take `user` out",
            ));
        }
        if let Some((user, password)) = &login {
            scrub.add(password.expose());
            scrub.add(&plain_login(user, password));
        }
        let tls = match options.tls {
            EmailTls::None => None,
            EmailTls::Starttls | EmailTls::Tls => {
                let name =
                    ServerName::try_from(options.host.clone()).map_err(|_| bad("`host` is no name of a server"))?;
                Some((roots::config(options.ca_file.as_deref()).map_err(SendError::Authorities)?, name))
            }
        };
        Ok(Self {
            host: options.host.clone(),
            port: options.port,
            mode: options.tls,
            tls,
            login,
            from: options.from.clone(),
            to: options.to.clone(),
            whole: Duration::from_millis(u64::from(options.delivery.timeout_ms)),
            scrub,
        })
    }

    /// Sends once.
    pub(crate) fn send(&self, message: &[u8]) -> Verdict {
        match self.dialogue(message) {
            Ok(()) => Verdict::Taken,
            Err(stopped) => self.judge(stopped),
        }
    }

    fn dialogue(&self, message: &[u8]) -> Result<(), Stopped> {
        let socket = Timed::connect(&self.host, self.port, self.whole).map_err(before)?;
        match (&self.tls, self.mode) {
            (Some(tls), EmailTls::Tls) => {
                let mut talk = Talk::new(encrypted(socket, tls)?);
                talk.expect(Step::Greeting)?;
                self.deliver(&mut talk, message)
            }
            (Some(tls), _) => {
                let mut talk = Talk::new(socket);
                talk.expect(Step::Greeting)?;
                let able = talk.hello()?;
                if !able.iter().any(|a| a.eq_ignore_ascii_case("STARTTLS")) {
                    return Err(Stopped::Unable("the server offers no STARTTLS; ask for port 465 and `tls: tls`"));
                }
                talk.say("STARTTLS", Step::StartTls)?;
                // What came with the reply was said by who can speak for the server without its key.
                if talk.has_more() {
                    return Err(Stopped::Unable(
                        "the server, or somebody on the way, spoke before the connection was encrypted",
                    ));
                }
                let mut talk = Talk::new(encrypted(talk.into_stream(), tls)?);
                self.deliver(&mut talk, message)
            }
            (None, _) => {
                let mut talk = Talk::new(socket);
                talk.expect(Step::Greeting)?;
                self.deliver(&mut talk, message)
            }
        }
    }

    fn deliver<S: Stream>(&self, talk: &mut Talk<S>, message: &[u8]) -> Result<(), Stopped> {
        let able = talk.hello()?;
        if let Some((user, password)) = &self.login {
            log_in(talk, &able, user, password)?;
        }
        talk.say(&format!("MAIL FROM:<{}>", self.from), Step::Sender)?;
        for to in &self.to {
            talk.say(&format!("RCPT TO:<{to}>"), Step::Receiver)?;
        }
        talk.say("DATA", Step::Data)?;
        talk.message(message)?;
        talk.quit();
        Ok(())
    }

    fn judge(&self, stopped: Stopped) -> Verdict {
        let shown = format!("{}:{}", self.host, self.port);
        let words = |text: &str| plain::line(&self.scrub.text(text), WORDS);
        match stopped {
            Stopped::Io(error, false) => Verdict::Later(format!("{shown}: {}", words(&error.to_string())), None),
            Stopped::Io(error, true) => Verdict::Unclear(format!("{shown}: {}", words(&error.to_string()))),
            Stopped::Unable(why) => Verdict::Refused(format!("{shown}: {why}")),
            Stopped::Reply(step, code, text) => {
                let why = format!("{shown}: {code} to {}: {}", step.name(), words(&text));
                match (step, code) {
                    (_, 400..=499) => Verdict::Later(why, None),
                    (Step::Message, _) => Verdict::Content(why),
                    _ => Verdict::Refused(why),
                }
            }
        }
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

fn encrypted(
    mut socket: Timed,
    (config, name): &(Arc<ClientConfig>, ServerName<'static>),
) -> Result<StreamOwned<ClientConnection, Timed>, Stopped> {
    let bad = |e: rustls::Error| before(io::Error::other(e));
    let mut tls = ClientConnection::new(config.clone(), name.clone()).map_err(bad)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).map_err(before)?;
    }
    Ok(StreamOwned::new(tls, socket))
}

/// What `AUTH PLAIN` sends.
fn plain_login(user: &str, password: &SecretText) -> Zeroizing<String> {
    let plain = Zeroizing::new(format!("\0{user}\0{}", password.expose()));
    Zeroizing::new(STANDARD.encode(plain.as_bytes()))
}

fn log_in<S: Stream>(talk: &mut Talk<S>, able: &[String], user: &str, password: &SecretText) -> Result<(), Stopped> {
    let ways =
        able.iter().find_map(|a| a.to_ascii_uppercase().strip_prefix("AUTH ").map(str::to_owned)).unwrap_or_default();
    let has = |way: &str| ways.split_ascii_whitespace().any(|w| w == way);
    if has("PLAIN") {
        let line = Zeroizing::new(format!("AUTH PLAIN {}", plain_login(user, password).as_str()));
        return talk.say(&line, Step::Login).map(|_| ());
    }
    if !has("LOGIN") {
        return Err(Stopped::Unable("the server offers neither AUTH PLAIN nor AUTH LOGIN over this connection"));
    }
    talk.say("AUTH LOGIN", Step::Login)?;
    talk.say(&STANDARD.encode(user), Step::Login)?;
    let line = Zeroizing::new(STANDARD.encode(password.expose()));
    talk.say(&line, Step::Login).map(|_| ())
}

/// ASCII, one `@`, nothing that ends or begins anything in a command or a header.
fn is_address(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let domain = |d: &str| !d.is_empty() && d.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
    text.len() <= 254
        && text.split_once('@').is_some_and(|(local, d)| !local.is_empty() && local.bytes().all(fits) && domain(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_carry_a_command() {
        for good in ["a@b.example", "first.last+x@b-c.example"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b\r\nRCPT TO:<x@y>", "a>@b", "<a@b>", "\"a\"@b", "ä@b", "a@b@c"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
