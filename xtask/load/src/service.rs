//! What a request means, apart from how it arrives.

use std::{num::NonZeroU32, time::Duration};

use common::site::{PageStatus, Site};

use crate::{
    politeness::{Outcome, Politeness},
    request::Request,
    response::{Answer, Body, Status},
};

/// The site and who is asking for it.
#[derive(Debug)]
pub(crate) struct Service {
    /// What is served.
    site: Site,
    /// Counts and limits what is in flight.
    politeness: Politeness,
}

/// How a request is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    /// At once.
    Now(Answer),
    /// Later, with what [`Service::answer`] says then.
    After(Duration, InFlight),
}

/// A request for a page that is in flight. Not to be dropped but given back, by
/// [`Service::delivered`] or [`Service::abandoned`], or its virtual host loses a place.
#[derive(Debug)]
#[must_use = "a request in flight must be given back to the service"]
pub(crate) struct InFlight {
    /// The page.
    page: u32,
    /// What it answers this time.
    status: PageStatus,
}

impl Service {
    /// Serves `site`, with at most `per_host` requests of each virtual host in flight.
    pub(crate) fn new(site: Site, per_host: NonZeroU32) -> Self {
        let politeness = Politeness::new(site.hosts(), per_host);
        Self { site, politeness }
    }

    /// Takes a request in.
    pub(crate) fn receive(&mut self, request: &Request<'_>) -> Reply {
        match (request.method, request.path) {
            ("GET", "/stats") => return Reply::Now(self.stats()),
            ("POST", "/reset") => {
                self.politeness.reset();
                return Reply::Now(Answer { status: Status::NO_CONTENT, body: Body::Empty });
            }
            _ => self.politeness.count(),
        }
        match (request.method, request.path) {
            ("GET", "/reset") => Reply::Now(not_allowed("POST")),
            ("POST", "/stats") => Reply::Now(not_allowed("GET")),
            ("GET", path) => self.page(path, request),
            ("POST", path) if self.find(path).is_some() => Reply::Now(not_allowed("GET")),
            ("POST", path) => Reply::Now(not_found(path)),
            // The answer to HEAD may have no body; this one has none.
            _ => Reply::Now(not_allowed("GET, POST")),
        }
    }

    /// The answer to a request whose time has come.
    pub(crate) fn answer(&self, request: &InFlight) -> Answer {
        match request.status {
            PageStatus::Ok => {
                Answer { status: Status::OK, body: Body::Html(self.site.body(request.page)) }
            }
            PageStatus::Unavailable => {
                Answer::refusal(Status::UNAVAILABLE, format!("page {} is busy", request.page))
            }
        }
    }

    /// Takes back a request whose answer was written completely.
    pub(crate) fn delivered(&mut self, request: InFlight) {
        let outcome = match request.status {
            PageStatus::Ok => Outcome::Served,
            PageStatus::Unavailable => Outcome::Failed,
        };
        self.leave(request, outcome);
    }

    /// Takes back a request whose connection ended.
    pub(crate) fn abandoned(&mut self, request: InFlight) {
        self.leave(request, Outcome::Abandoned);
    }

    /// Takes `request` out of flight.
    #[expect(clippy::needless_pass_by_value, reason = "it ends here, and can end only once")]
    fn leave(&mut self, request: InFlight, outcome: Outcome) {
        self.politeness.leave(self.site.host_of(request.page), outcome);
    }

    /// What was counted.
    fn stats(&self) -> Answer {
        let json = serde_json::to_vec(&self.politeness.stats()).expect("numbers are always JSON");
        Answer { status: Status::OK, body: Body::Json(json) }
    }

    /// The existing page at `path`.
    fn find(&self, path: &str) -> Option<u32> {
        Site::page_of(path).filter(|&page| self.site.contains(page))
    }

    /// Takes in a request for a page.
    fn page(&mut self, path: &str, request: &Request<'_>) -> Reply {
        let Some(page) = self.find(path) else { return Reply::Now(not_found(path)) };
        let host = self.site.host_of(page);
        let name = Site::host_name(host);
        if !request.host.is_some_and(|asked| asked.eq_ignore_ascii_case(&name)) {
            let why = format!("{path} is served by {name} only");
            return Reply::Now(Answer::refusal(Status::MISDIRECTED, why));
        }
        let Ok(()) = self.politeness.enter(host) else {
            let why = format!("{name} has too many requests in flight");
            return Reply::Now(Answer::refusal(Status::TOO_MANY_REQUESTS, why));
        };
        let status = self.site.status(page, request.attempt);
        let latency = self.site.latency(page, request.attempt);
        Reply::After(latency, InFlight { page, status })
    }
}

/// No such page.
fn not_found(path: &str) -> Answer {
    Answer::refusal(Status::NOT_FOUND, format!("there is no {path}"))
}

/// This path answers `methods` only.
fn not_allowed(methods: &'static str) -> Answer {
    Answer { status: Status::METHOD_NOT_ALLOWED, body: Body::Allow(methods) }
}
