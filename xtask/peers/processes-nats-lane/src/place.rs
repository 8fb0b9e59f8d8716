//! Where the broker and the nodes are.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use cluster::Cluster;
use common::lane::LaneError;
use processes::Pool;

/// The variable that says where a cluster is.
pub(crate) const VARIABLE: &str = "TRIPTYCH_CLUSTER";

/// How long nodes may take to be there.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where the broker and the nodes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine, made for each session.
    Here,
    /// There, whatever is there; and whether that is another machine for all that is known.
    There {
        /// The address of its brokers.
        url: String,
        /// Whether one of them is not on this machine.
        is_far: bool,
    },
    /// Nowhere; and why.
    Nowhere(&'static str),
}

impl Place {
    /// As this machine, and the variable, say.
    pub(crate) fn find() -> Self {
        match env::var(VARIABLE).ok().filter(|url| !url.is_empty()) {
            Some(url) => Self::at(url),
            None if cluster::is_installed() => Self::Here,
            None => Self::Nowhere(cluster::HINT),
        }
    }

    /// At this address.
    pub(crate) fn at(url: String) -> Self {
        let is_far = url.split(',').any(|url| !is_loopback(url));
        Self::There { url, is_far }
    }

    /// Starts what has to be started, and connects; with so many workers if that can be chosen.
    ///
    /// # Errors
    /// Why there is no pool.
    pub(crate) fn connect(&self, workers: usize) -> Result<(Pool, Option<Cluster>), LaneError> {
        let cluster = match self {
            Self::Here => {
                let slots = shares(workers);
                Some(Cluster::start(&slots).map_err(|why| LaneError::failed("start one", why))?)
            }
            Self::There { .. } => None,
            Self::Nowhere(why) => return Err(LaneError::Unsupported((*why).into())),
        };
        let url = match (&cluster, self) {
            (Some(cluster), _) => cluster.url(),
            (None, Self::There { url, .. }) => url,
            (None, _) => unreachable!("it was started, or is there"),
        };
        let pool = Pool::connect(url).map_err(|error| LaneError::failed("connect", error))?;
        let wanted = if cluster.is_some() { workers } else { 1 };
        if is_staffed(&pool, wanted) {
            return Ok((pool, cluster));
        }
        let said = cluster.map_or_else(
            || "start `processes-nats-lane node URL` on its machines".to_owned(),
            |cluster| format!("the last words of a node: {}", cluster.last_words()),
        );
        Err(LaneError::failed("find nodes", said))
    }
}

/// Waits until the nodes have so many workers.
fn is_staffed(pool: &Pool, wanted: usize) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while pool.workers() < wanted {
        if Instant::now() >= deadline {
            return false;
        }
        thread::park_timeout(Duration::from_millis(2));
    }
    true
}

/// So many workers on two nodes; a single one on one.
fn shares(workers: usize) -> Vec<usize> {
    [workers.div_ceil(2), workers / 2].into_iter().filter(|&slots| slots > 0).collect()
}

/// Whether the broker at this address is on this machine.
fn is_loopback(url: &str) -> bool {
    let place = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    ["127.", "localhost", "[::1]"].iter().any(|here| place.starts_with(here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_here_is_told_from_what_is_elsewhere() {
        for (url, far) in [
            ("nats://127.0.0.1:4222", false),
            ("nats://localhost", false),
            ("nats://[::1]:4222", false),
            ("tls://me:127.0.0.1@far.example:4222", true),
            ("nats://me:secret@127.0.0.1:4222", false),
            ("nats://127.0.0.1:4222,nats://10.0.0.2:4222", true),
            ("10.0.0.1", true),
        ] {
            let Place::There { is_far, .. } = Place::at(url.into()) else { panic!("{url}") };
            assert_eq!(is_far, far, "{url}");
        }
    }

    #[test]
    fn workers_are_shared_out() {
        assert_eq!(shares(1), [1]);
        assert_eq!(shares(2), [1, 1]);
        assert_eq!(shares(5), [3, 2]);
    }
}
