//! Starts both doubles and the port that takes commands, says where they listen in one line of JSON, and serves until its
//! standard input ends. Each line of the input is a command too, answered by a line. It must never outlive its input.

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use innertrail_test_cloud::control::{Control, perform_text};
use innertrail_test_cloud::{Cloud, Setup};

const USAGE: &str = "usage: cloud-double [--sls-port N] [--oss-port N] [--control-port N]  (127.0.0.1; 0: a free port)";

/// The ports of SLS, OSS and the commands.
fn ports(arguments: impl Iterator<Item = String>) -> Result<[u16; 3]> {
    let (mut ports, mut arguments) = ([0; 3], arguments);
    while let Some(name) = arguments.next() {
        let at = match name.as_str() {
            "--sls-port" => 0,
            "--oss-port" => 1,
            "--control-port" => 2,
            _ => bail!("unknown argument {name:?}\n{USAGE}"),
        };
        let value = arguments.next().with_context(|| format!("{name} needs a port\n{USAGE}"))?;
        ports[at] = value.parse().with_context(|| format!("{value:?} is no port\n{USAGE}"))?;
    }
    Ok(ports)
}

fn main() -> Result<()> {
    let [sls, oss, control] = ports(std::env::args().skip(1))?;
    let mut setup = Setup::default();
    (setup.sls.port, setup.oss.port) = (sls, oss);
    let cloud = Arc::new(Cloud::start_with(&setup).context("cannot listen on 127.0.0.1")?);
    let control = Control::start(Arc::clone(&cloud), control).context("cannot listen on 127.0.0.1")?;
    let mut out = std::io::stdout();
    let addresses = serde_json::json!({
        "sls": cloud.sls.address().to_string(),
        "oss": cloud.oss.address().to_string(),
        "control": control.address().to_string(),
    });
    writeln!(out, "{addresses}")?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if !line.trim().is_empty() {
            writeln!(out, "{}", perform_text(&cloud, line.as_bytes()))?;
            out.flush()?;
        }
    }
    Ok(())
}
