//! HELO, PING, PONG: both sides prove that they know the shared key, without sending it.
//! It must never send records to a receiver that has not proved it, or answer a HELO that offers less than was set up.
//!
//! The digest is SHA-512 of salt, name, nonce and key, in lower-case hexadecimal.

use rmp::encode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha512};

use super::Auth;
use super::connection::Connection;

/// Bytes, which some receivers send as text.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes or text")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes(text.as_bytes().to_vec()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `["HELO", {nonce, auth, keepalive}]`.
#[derive(Deserialize)]
struct Helo(String, HeloOptions);

#[derive(Deserialize)]
struct HeloOptions {
    nonce: Bytes,
    auth: Option<Bytes>,
    #[serde(default, rename = "keepalive")]
    _keepalive: Option<IgnoredAny>,
}

/// `["PONG", accepted, reason, name, digest]`.
#[derive(Deserialize)]
struct Pong(String, bool, String, String, String);

/// Proves the key, and has it proved.
pub(super) fn run(connection: &mut Connection, auth: &Auth) -> Result<(), String> {
    let Helo(word, helo) = connection.read().map_err(|e| format!("a handshake is set up, but {}", e.why))?;
    if word != "HELO" {
        return Err("a handshake is set up, but the receiver does not begin with HELO".to_owned());
    }
    let key = auth.shared_key.read().map_err(|e| e.to_string())?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|e| format!("no randomness for a salt: {e}"))?;
    let digest = |name: &str| hex_digest(&[&salt, name.as_bytes(), &helo.nonce.0, key.expose().as_bytes()]);
    let (user, password) = user(auth, helo.auth.as_ref().map_or(&[], |salt| &salt.0))?;
    let ping = ping(&auth.hostname, &salt, &digest(&auth.hostname), &user, &password);
    connection.write(&ping.map_err(|e| e.to_string())?).map_err(|e| e.why)?;
    let Pong(word, accepted, why, name, proof) = connection.read().map_err(|e| format!("after the PING, {}", e.why))?;
    if word != "PONG" {
        return Err("the receiver answers the PING with something else than PONG".to_owned());
    }
    if !accepted {
        let why: String = why.chars().take(120).collect();
        return Err(format!("the receiver refuses the shared key, or the user: {}", why.escape_debug()));
    }
    if name == auth.hostname {
        return Err("the receiver calls itself as this side does, so its proof may be this side's own".to_owned());
    }
    if proof != digest(&name) {
        return Err("the receiver does not know the shared key".to_owned());
    }
    Ok(())
}

/// Name and digest of the password, where the receiver asks for them.
fn user(auth: &Auth, salt: &[u8]) -> Result<(String, String), String> {
    if salt.is_empty() {
        return Ok((String::new(), String::new()));
    }
    let (name, password) = auth.user.as_ref().ok_or("the receiver asks for a user; set `user` and its password")?;
    let password = password.read().map_err(|e| e.to_string())?;
    Ok((name.clone(), hex_digest(&[salt, name.as_bytes(), password.expose().as_bytes()])))
}

fn ping(name: &str, salt: &[u8], digest: &str, user: &str, password: &str) -> Result<Vec<u8>, encode::ValueWriteError> {
    let mut out = Vec::new();
    encode::write_array_len(&mut out, 6)?;
    encode::write_str(&mut out, "PING")?;
    encode::write_str(&mut out, name)?;
    encode::write_bin(&mut out, salt)?;
    for text in [digest, user, password] {
        encode::write_str(&mut out, text)?;
    }
    Ok(out)
}

fn hex_digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha512::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
