//! The shape *graph*: tasks that become ready as others finish.

use std::collections::{HashSet, VecDeque};

use crate::{Body, Crawl, Job, Output, body::links_of};

/// What a crawl has still to do: the coordinator of a lane asks it which page to fetch next and
/// tells it what came back.
///
/// It hands out each page once and never more pages of one virtual host at a time than allowed,
/// whatever the lane.
#[derive(Debug)]
pub struct Frontier {
    /// The pages found and not yet handed out, per virtual host.
    ready: Vec<VecDeque<u64>>,
    /// The pages handed out and not yet finished, per virtual host.
    in_flight: Vec<u32>,
    /// Most pages in flight of one virtual host.
    per_host: u32,
    /// Every page ever found.
    found: HashSet<u64>,
    /// The virtual host to look at first, so that all take turns.
    turn: usize,
}

impl Frontier {
    /// The frontier of `job`, with the first page ready; `None` when the job is no graph.
    pub fn new(job: &Job) -> Option<Self> {
        let Body::Crawl(Crawl { hosts, per_host, .. }) = job.body else { return None };
        let hosts = hosts.max(1) as usize;
        let mut frontier = Self {
            ready: vec![VecDeque::new(); hosts],
            in_flight: vec![0; hosts],
            per_host,
            found: HashSet::new(),
            turn: 0,
        };
        frontier.find(0);
        Some(frontier)
    }

    /// A task that may run now, if there is one; it counts as in flight until
    /// [`finish`](Self::finish).
    pub fn next_ready(&mut self) -> Option<u64> {
        let hosts = self.ready.len();
        for offset in 0..hosts {
            let host = (self.turn + offset) % hosts;
            if self.in_flight[host] < self.per_host
                && let Some(page) = self.ready[host].pop_front()
            {
                self.in_flight[host] += 1;
                self.turn = (host + 1) % hosts;
                return Some(page);
            }
        }
        None
    }

    /// Takes what the task `index` put out: others may become ready.
    ///
    /// # Panics
    /// If the task is not in flight.
    pub fn finish(&mut self, index: u64, output: &Output) {
        let host = self.host_of(index);
        self.in_flight[host] =
            self.in_flight[host].checked_sub(1).expect("a finished task was in flight");
        for page in links_of(output) {
            self.find(page);
        }
    }

    /// Whether nothing is ready and nothing in flight.
    pub fn is_done(&self) -> bool {
        self.ready.iter().all(VecDeque::is_empty) && self.in_flight.iter().all(|&count| count == 0)
    }

    /// Most tasks that can be in flight at once.
    pub fn most_in_flight(&self) -> u64 {
        self.ready.len() as u64 * u64::from(self.per_host)
    }

    /// Makes a page ready unless it was found before.
    fn find(&mut self, page: u64) {
        if self.found.insert(page) {
            let host = self.host_of(page);
            self.ready[host].push_back(page);
        }
    }

    /// The virtual host of a page.
    fn host_of(&self, page: u64) -> usize {
        usize::try_from(page % self.ready.len() as u64).expect("less than the number of hosts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_with_links(links: &[u32]) -> Output {
        let mut bytes = vec![0; 4];
        bytes.extend(links.iter().flat_map(|page| page.to_le_bytes()));
        Output::Bytes(bytes)
    }

    #[test]
    fn each_page_once_and_never_too_many_of_one_host() {
        let crawl = Crawl { upstream: ([127, 0, 0, 1], 1).into(), hosts: 2, per_host: 2 };
        let mut frontier = Frontier::new(&Job { seed: 0, body: Body::Crawl(crawl) }).unwrap();
        assert_eq!(frontier.next_ready(), Some(0));
        assert_eq!(frontier.next_ready(), None);
        frontier.finish(0, &page_with_links(&[2, 4, 6, 2, 0, 1]));
        let mut handed_out: Vec<u64> = std::iter::from_fn(|| frontier.next_ready()).collect();
        handed_out.sort_unstable();
        assert_eq!(handed_out, [1, 2, 4], "two of the even host, the only one of the odd host");
        frontier.finish(2, &page_with_links(&[]));
        assert_eq!(frontier.next_ready(), Some(6));
        for page in [1, 4, 6] {
            assert!(!frontier.is_done());
            frontier.finish(page, &page_with_links(&[0, 1]));
        }
        assert!(frontier.is_done());
    }
}
