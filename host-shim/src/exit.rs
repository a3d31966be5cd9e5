//! The exit codes of `innertrail`, each named once.
//!
//! Scripts rely on these: a code never changes its meaning, and no command exits with a bare number.

/// The command did what it was asked and found nothing to report.
pub const OK: u8 = 0;

/// The command ran to its end and found something the caller asked it to look for: a wrong setting, a failed
/// fixture. Not a failure of the command itself.
pub const FOUND: u8 = 1;

/// The command line or the configuration cannot be used. Nothing was started.
pub const USAGE: u8 = 2;

/// The command started and then failed: input or output, the plugin, the Logstore.
pub const RUNTIME: u8 = 3;

/// The table of exit codes as `--help` prints it.
pub const HELP: &str = "\
Exit codes:
  0  done, nothing to report
  1  done, and something was found (check, doctor, reconcile, test, verify)
  2  the command line or the configuration cannot be used; nothing was started
  3  started, then failed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_code_once_and_in_order() {
        let codes: Vec<u8> =
            HELP.lines().filter_map(|line| line.strip_prefix("  ")?.split("  ").next()?.parse().ok()).collect();
        assert_eq!(codes, [OK, FOUND, USAGE, RUNTIME]);
    }
}
