//! The pages of a site, which become known by the links to them.

use std::collections::{HashSet, VecDeque};

use crate::{Crawl, Output, body::links_of};

/// What a crawl has still to do: each page once, and never more of one virtual host at a time than
/// allowed.
#[derive(Debug)]
pub(super) struct Pages {
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

impl Pages {
    /// Nothing fetched, the first page ready.
    pub(super) fn new(&Crawl { hosts, per_host, .. }: &Crawl) -> Self {
        let hosts = hosts.max(1) as usize;
        let mut pages = Self {
            ready: vec![VecDeque::new(); hosts],
            in_flight: vec![0; hosts],
            per_host,
            found: HashSet::new(),
            turn: 0,
        };
        pages.find(0);
        pages
    }

    /// See [`Frontier`](super::Frontier).
    pub(super) fn next_ready(&mut self) -> Option<u64> {
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

    /// See [`Frontier`](super::Frontier).
    pub(super) fn finish(&mut self, index: u64, output: &Output) {
        let host = self.host_of(index);
        self.in_flight[host] =
            self.in_flight[host].checked_sub(1).expect("a finished task was in flight");
        for page in links_of(output) {
            self.find(page);
        }
    }

    /// See [`Frontier`](super::Frontier).
    pub(super) fn is_done(&self) -> bool {
        self.ready.iter().all(VecDeque::is_empty) && self.in_flight.iter().all(|&count| count == 0)
    }

    /// As many as are allowed of each virtual host.
    pub(super) fn most_in_flight(&self) -> u64 {
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
        let mut frontier = Pages::new(&crawl);
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
