//! The console: pages in a browser over one dedicated Logstore, and the JSON that they show.
//! It must never know SQL's engine or the component, change anything in the Logstore, or have a browser ask another host.
//!
//! Who fills it brings a [`Data`]. Every widget of a page is one call of this table, and shows it, so that whatever is on the screen can
//! be had with `curl` too. All are `GET`, but for those with `POST`; times are seconds UTC, `now`, or `-7d` before now (`s`, `m`, `h`, `d`).
//!
//! | call | parameters | answer |
//! |---|---|---|
//! | `/api/about` | | version, trail, whether a token is wanted and was given; needs none |
//! | `POST /api/login` | body `{"token": …}` | a session's cookie |
//! | `POST /api/logout` | | ends the session |
//! | `/api/trust` | | what the bar shows: sealed to, last verification, lag, gaps |
//! | `/api/columns` | | columns with what they hold, for completion |
//! | `/api/span` | `q`, `store` | times of the first and the last event that match |
//! | `/api/search` | `q`, `from`, `to`, `store`, `offset`, `limit`, `order` (`new`, `old`), `columns` | rows of a search |
//! | `/api/histogram` | `q`, `from`, `to`, `store`, `buckets`, `failures` (`1`) | counts by time, on request with those that failed |
//! | `/api/fields` | `q`, `from`, `to`, `store`, `field`, `limit` | the most frequent values of a column |
//! | `/api/table` | `q`, `from`, `to`, `store` | the result of `search \| SQL` |
//! | `/api/charts` | | dashboards: titles, queries, places |
//! | `/api/event` | `store`, and `seq` or `id` | one record: raw, columns, what each room did, the proof |
//! | `/api/provider` | `from`, `to`, `q`, `offset`, `limit` | what the provider did, and why |
//! | `/api/integrity` | | status, checkpoint and key, gaps, journal, verification |
//! | `POST /api/verify` | | begins a verification; `/api/trust` tells how it goes |
//! | `/api/alerts` | `from`, `to`, `offset`, `limit` | alerts of the journal, and the rules with their remedies |
//! | `/api/consumers` | | sinks and consumer groups with their positions |
//!
//! With a token, a call needs the session's cookie or `Authorization: Bearer <token>`. An error is `{"error", "message"}`.

mod assets;
mod calls;
mod data;
mod exchange;
mod guard;
mod parameters;
mod pieces;
mod problem;
mod record;
mod rooms;
mod server;
mod session;

pub use data::{Data, Found};
pub use problem::Problem;
pub use server::{ConsoleError, Options, Server};
