//! One request, from its head to its answer: who sends it, whether it would write, what it holds, which room answers it.
//! It must never read the body of a request whose sender it does not know but to throw it away, and never carry a request that changes
//! something out twice.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use super::reply::{self, Whole};
use super::{Shared, body};
use crate::attempts::Attempt;
use crate::auth::{self, Admitted, Seen, hex};
use crate::refuse::{self, Surface};
use crate::route::{changes, weight};
use crate::{Answer, ApiError, Call, Head, Role};

/// What the answers of one request have in common.
struct Exchange<'a> {
    shared: &'a Arc<Shared>,
    request_id: String,
    now_us: i64,
    peer: IpAddr,
}

pub(super) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>, peer: IpAddr) -> Response<Whole> {
    let mut random = [0; 12];
    // Without randomness ids are alike; nothing depends on them.
    let _same = getrandom::fill(&mut random);
    let now_us = (shared.options.clock)();
    let exchange = Exchange { shared, request_id: hex(&random), now_us, peer };
    let response = exchange.answer(request).await;
    shared.counts.answered(response.status().as_u16());
    response
}

impl Exchange<'_> {
    async fn answer(&self, request: Request<Incoming>) -> Response<Whole> {
        let (parts, body) = request.into_parts();
        let (head, admitted) =
            match Head::read(&parts).and_then(|head| self.admit(&head).map(|admitted| (head, admitted))) {
                Ok(let_in) => let_in,
                Err(error) => return self.turn_away(&error, &parts.headers, body),
            };
        let (received, _share) = match body::whole(body, &self.shared.bodies).await {
            Ok(received) => received,
            Err(error) => return reply::bad(&error, &self.request_id),
        };
        // A room refuses writes that stand in a body: a setting, or a statement that is no query.
        let surface = lengthens(&head).unwrap_or(Surface::Sql);
        let key = admitted.access.key_id.clone();
        let result = match admitted.body(&received).and_then(|()| body::decompressed(&head.headers, received)) {
            Ok(body) => self.carry_out(head, admitted, body).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(answer) => self.send(answer),
            Err(error) => {
                if refuse::is_refusal(&error) {
                    self.tell(surface, Some(key));
                }
                reply::bad(&error, &self.request_id)
            }
        }
    }

    /// Who sends it, if it may be carried out.
    fn admit(&self, head: &Head) -> Result<Admitted, ApiError> {
        let router = &self.shared.router;
        if refuse::is_tracking(&head.path) {
            self.tell(Surface::Tracking, None);
            return Err(router.refusal(Surface::Tracking, &head.path));
        }
        let admitted = auth::admit(head, &self.shared.keys, self.now_us)?;
        let surface = refuse::surface(&head.method, &head.path)
            .or_else(|| lengthens(head).filter(|_| admitted.access.role < Role::Administrator));
        if let Some(surface) = surface {
            self.tell(surface, Some(admitted.access.key_id.clone()));
            return Err(router.refusal(surface, &head.path));
        }
        Ok(admitted)
    }

    /// An answer to a request whose body nobody wants.
    fn turn_away(&self, error: &ApiError, headers: &hyper::HeaderMap, body: Incoming) -> Response<Whole> {
        let response = reply::bad(error, &self.request_id);
        // One that waits to be asked for its body is not asked.
        if headers.contains_key(hyper::header::EXPECT) {
            return reply::closing(response);
        }
        body::throw_away(body);
        response
    }

    async fn carry_out(&self, head: Head, admitted: Admitted, body: bytes::Bytes) -> Result<Answer, ApiError> {
        let named = head.label == self.shared.router.names().project();
        let call = Call {
            method: if head.method == Method::HEAD { Method::GET } else { head.method },
            path: head.path,
            parameters: head.parameters,
            headers: head.headers,
            body,
            access: admitted.access,
            request_id: self.request_id.clone(),
            now_us: self.now_us,
        };
        if !changes(&call) {
            return self.ask(call, named).await;
        }
        let ticket = match self.shared.window.look(admitted.fingerprint, admitted.valid_until_us, self.now_us) {
            Seen::New(ticket) => ticket,
            Seen::Before(outcome) => return (*outcome).clone(),
            Seen::Now => return Err(ApiError::new(503, "ServerBusy", "the same request is being carried out")),
            Seen::Full => {
                let message =
                    "too many changes within half an hour to tell new requests from repeated ones; try again later";
                return Err(ApiError::new(503, "ServerBusy", message));
            }
        };
        let result = self.ask(call, named).await;
        ticket.done(&result);
        result
    }

    async fn ask(&self, call: Call, named: bool) -> Result<Answer, ApiError> {
        let (weight, router) = (weight(&call), Arc::clone(&self.shared.router));
        let patience = self.shared.options.call_time;
        self.shared.lanes.run(weight, patience, move || router.answer(&call, named)).await?
    }

    fn send(&self, answer: Answer) -> Response<Whole> {
        let size = answer.body.len();
        match self.shared.answers.take(size) {
            Some(share) => reply::good(answer, Some(share), &self.request_id),
            None => {
                let message =
                    "too many answers are on their way to clients that read them slowly; try again in a moment";
                reply::bad(&ApiError::new(503, "ServerBusy", message), &self.request_id)
            }
        }
    }

    fn tell(&self, surface: Surface, key_id: Option<String>) {
        self.shared.counts.refuse(surface);
        let (source, request_id) = (self.peer.to_canonical(), self.request_id.clone());
        let attempt = Attempt { at_us: self.now_us, key_id, surface, source, request_id };
        self.shared.attempts.note(attempt).into_iter().for_each(|told| self.shared.host.refused(told));
    }
}

/// UpdateLogStore, which one role may call.
fn lengthens(head: &Head) -> Option<Surface> {
    let update = head.method == Method::PUT && matches!(head.path.as_slice(), [first, _] if first == "logstores");
    update.then_some(Surface::UpdateLogStore)
}
