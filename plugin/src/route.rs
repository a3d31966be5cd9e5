//! The route room: where each record goes, and the write protection of the dedicated Logstore.
//!
//! The host says who gave the record and whether its seal mark is valid; the decision is made here and nowhere else.
//! Nothing but an operation log of an enabled product, from this trail's own source or with a valid seal mark, may
//! ever be routed to the dedicated Logstore, and nothing is dropped.

use crate::classify::Event;
use crate::decode::raw_event::Family;
use crate::decode::scan::TokenKind;

/// Who gave a record. The host establishes this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// A source of this trail, read by the host itself.
    OwnSource,
    /// An agent, or anybody who can reach the gate.
    Agent,
}

/// Where a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The dedicated Logstore.
    Dedicated,
    /// On its way, unchanged.
    Passthrough,
    /// The quarantine store, raw bytes kept.
    Quarantine(Reason),
}

/// Why something is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Bytes that are no record.
    Undecodable,
    /// An operation log of a product that is not enabled.
    UnsupportedProduct,
    /// An operation log of another account or trail.
    WrongTrail,
    /// Addressed to the dedicated Logstore without a valid seal mark.
    WriteProtected,
    /// The component itself failed on it.
    Poison,
}

impl Reason {
    /// The word in `it_quarantine_reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::UnsupportedProduct => "unsupported_product",
            Self::WrongTrail => "wrong_trail",
            Self::WriteProtected => "write_protected",
            Self::Poison => "poison",
        }
    }
}

/// The room's settings.
#[derive(Debug, Clone)]
pub struct Router {
    /// Name of the dedicated Logstore: `innertrail_` and the trail's name.
    pub logstore: String,
    /// Accounts whose logs belong to this trail; empty: any.
    pub accounts: Vec<String>,
    /// Products whose operation logs are kept, lower case.
    pub products: Vec<String>,
    /// Whether operation logs of other products pass through rather than go to quarantine.
    pub pass_unsupported: bool,
}

impl Router {
    /// Decides. The second part says why in words, for quarantine.
    pub fn route(&self, event: &Event<'_>, provenance: Provenance, sealed: bool) -> (Route, &'static str) {
        if let Some(problem) = event.problem {
            return (Route::Quarantine(Reason::Undecodable), problem);
        }
        let Some(family) = event.family else { return self.plain(event, provenance) };
        if !self.is_ours(event) {
            return (Route::Quarantine(Reason::WrongTrail), "an operation log of an account that is not this trail's");
        }
        if !self.is_enabled(family, event) {
            return self.unsupported(event);
        }
        match provenance {
            Provenance::OwnSource => (Route::Dedicated, ""),
            Provenance::Agent if sealed => (Route::Dedicated, ""),
            Provenance::Agent => {
                (Route::Quarantine(Reason::WriteProtected), "an operation log from an agent, without a valid seal mark")
            }
        }
    }

    fn plain(&self, event: &Event<'_>, provenance: Provenance) -> (Route, &'static str) {
        if event.raw.hides_log && provenance == Provenance::Agent {
            return (
                Route::Quarantine(Reason::WriteProtected),
                "holds an operation log among other text, without a valid seal mark",
            );
        }
        if self.is_addressed(event) {
            return (
                Route::Quarantine(Reason::WriteProtected),
                "addressed to the dedicated Logstore, but no operation log of this trail",
            );
        }
        // Behind the gate a mark means that it was checked, so nothing else may carry one through.
        if event.raw.seal.kind != TokenKind::Absent {
            return (Route::Quarantine(Reason::WriteProtected), "bears a seal mark, but is no operation log");
        }
        (Route::Passthrough, "")
    }

    fn unsupported(&self, event: &Event<'_>) -> (Route, &'static str) {
        if self.is_addressed(event) || event.raw.seal.kind != TokenKind::Absent {
            return (
                Route::Quarantine(Reason::WriteProtected),
                "addressed to the dedicated Logstore, but its product is not enabled",
            );
        }
        if self.pass_unsupported {
            return (Route::Passthrough, "");
        }
        (
            Route::Quarantine(Reason::UnsupportedProduct),
            "an operation log of a product that route.products does not name",
        )
    }

    /// An event that names no account at all is not held to be another's.
    fn is_ours(&self, event: &Event<'_>) -> bool {
        self.accounts.is_empty()
            || event.account.as_ref().is_none_or(|a| self.accounts.iter().any(|own| own.as_bytes() == &**a))
    }

    /// Casing differs from service to service, and from one family to the other.
    fn is_enabled(&self, family: Family, event: &Event<'_>) -> bool {
        family != Family::Insight
            && event
                .product
                .as_ref()
                .is_some_and(|p| self.products.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(p)))
    }

    fn is_addressed(&self, event: &Event<'_>) -> bool {
        event.raw.text_of(event.raw.logstore).is_some_and(|name| name.eq_ignore_ascii_case(&self.logstore))
    }
}
