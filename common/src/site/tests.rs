//! Tests of the site as a function of its specification.

use std::{collections::HashSet, time::Duration};

use super::{LATENCY_CAP, PageStatus, Site, SiteError, SiteSpec, page};

/// A small site; tests change the number they are about.
fn spec() -> SiteSpec {
    SiteSpec {
        seed: 7,
        pages: 2_000,
        hosts: 16,
        median_latency: Duration::from_millis(10),
        sigma: 0.5,
        error_permille: 20,
    }
}

/// The small site itself.
fn site() -> Site {
    Site::new(spec()).unwrap()
}

/// The links in an HTML text, found without knowledge of how it was written.
fn hrefs(html: &[u8]) -> Vec<u32> {
    let html = std::str::from_utf8(html).unwrap();
    html.split("href=\"")
        .skip(1)
        .map(|rest| Site::page_of(rest.split_once('"').unwrap().0).unwrap())
        .collect()
}

#[test]
fn every_page_is_reachable_from_page_0() {
    for pages in [1, 2, 5, 6, 1_000] {
        let site = Site::new(SiteSpec { pages, hosts: 1, ..spec() }).unwrap();
        let mut seen = HashSet::from([0]);
        let mut open = vec![0];
        while let Some(page) = open.pop() {
            open.extend(site.links(page).into_iter().filter(|&link| seen.insert(link)));
        }
        assert_eq!(seen.len(), usize::try_from(pages).unwrap());
        assert!(seen.iter().all(|&page| site.contains(page)));
    }
}

#[test]
fn links_are_a_tree_and_a_few_more() {
    let site = site();
    assert_eq!(site.links(3)[..4], [13, 14, 15, 16]);
    let extras: HashSet<usize> = (0..400).map(|page| site.links(page).len() - 4).collect();
    assert_eq!(extras, HashSet::from([0, 1, 2, 3, 4]));
}

#[test]
fn the_last_possible_page_has_links() {
    let site = Site::new(SiteSpec { pages: u32::MAX, hosts: u32::MAX, ..spec() }).unwrap();
    assert!(site.links(u32::MAX - 1).len() <= 4);
    assert_eq!(site.host_of(u32::MAX - 1), u32::MAX - 1);
}

#[test]
fn bodies_hold_the_links_in_order() {
    let site = site();
    for page in 0..2_000 {
        let body = site.body(page);
        assert_eq!(hrefs(&body), site.links(page), "page {page}");
        assert!((page::MIN_BYTES..=page::MAX_BYTES).contains(&body.len()), "page {page}");
    }
}

#[test]
fn bodies_use_the_whole_range_of_sizes() {
    let site = site();
    let sizes: Vec<usize> = (0..2_000).map(|page| site.body(page).len()).collect();
    assert!(sizes.iter().any(|&size| size < 1_100) && sizes.iter().any(|&size| size > 8_100));
}

/// Content is part of what a digest covers: it may not change by accident or by platform.
#[test]
fn content_is_pinned() {
    let site = site();
    let hash = |bytes: &[u8]| {
        bytes.iter().fold(0_u64, |hash, &byte| crate::rng::mix(hash ^ u64::from(byte)))
    };
    let body = site.body(0);
    assert_eq!(
        (site.links(0), body.len(), hash(&body)),
        (vec![1, 2, 3, 4, 970, 5, 420, 686], 4_996, 16_986_282_585_244_902_750)
    );
}

#[test]
fn the_seed_changes_everything() {
    let (one, two) = (site(), Site::new(SiteSpec { seed: 8, ..spec() }).unwrap());
    assert!((0..20).any(|page| one.links(page) != two.links(page)));
    assert_ne!(one.body(1), two.body(1));
    assert_ne!(one.latency(1, 0), two.latency(1, 0));
}

#[test]
fn errors_come_as_often_as_asked_and_end() {
    let site =
        Site::new(SiteSpec { pages: 100_000, hosts: 1, error_permille: 100, ..spec() }).unwrap();
    let failing = |attempt: u32| -> HashSet<u32> {
        (0..100_000).filter(|&page| site.status(page, attempt) == PageStatus::Unavailable).collect()
    };
    let [first, second, third] = [0, 1, 2].map(failing);
    assert!((9_500..10_500).contains(&first.len()), "{}", first.len());
    assert!((1_800..2_200).contains(&second.len()), "{}", second.len());
    assert!((300..500).contains(&third.len()), "{}", third.len());
    assert!(second.is_subset(&first) && third.is_subset(&second));
    assert!(failing(3).is_empty() && failing(u32::MAX).is_empty());
}

#[test]
fn errors_can_be_none_or_all() {
    let [none, all] =
        [0, 1_000].map(|error_permille| Site::new(SiteSpec { error_permille, ..spec() }).unwrap());
    assert!((0..2_000).all(|page| none.status(page, 0) == PageStatus::Ok));
    assert!((0..2_000).all(|page| all.status(page, 0) == PageStatus::Unavailable));
}

#[test]
fn latencies_are_lognormal_around_the_median() {
    let site = Site::new(SiteSpec { pages: 20_000, ..spec() }).unwrap();
    let mut logs: Vec<f64> =
        (0..20_000).map(|page| (site.latency(page, 0).as_secs_f64() / 0.010).ln()).collect();
    logs.sort_by(f64::total_cmp);
    assert!(logs[10_000].abs() < 0.02, "log of the median {}", logs[10_000]);
    let deviation = (logs.iter().map(|log| log * log).sum::<f64>() / 20_000.0).sqrt();
    assert!((deviation - 0.5).abs() < 0.02, "deviation {deviation}");
}

#[test]
fn latencies_are_capped_and_differ_by_attempt() {
    let wild = Site::new(SiteSpec { sigma: 5.0, ..spec() }).unwrap();
    let cap = Duration::from_millis(10) * LATENCY_CAP;
    let longest = (0..2_000).map(|page| wild.latency(page, 0)).max().unwrap();
    assert_eq!(longest, cap);
    assert_ne!(site().latency(1, 0), site().latency(1, 1));
    let steady = Site::new(SiteSpec { sigma: 0.0, ..spec() }).unwrap();
    assert!((0..100).all(|page| steady.latency(page, 0) == Duration::from_millis(10)));
}

#[test]
fn each_page_has_one_path() {
    assert_eq!(Site::page_of(&Site::path(17)), Some(17));
    assert_eq!(Site::page_of("/p/0"), Some(0));
    for path in ["/p/", "/p/017", "/p/00", "/p/+1", "/p/-1", "/p/4294967296", "/p/1/", "/q/1", ""] {
        assert_eq!(Site::page_of(path), None, "{path}");
    }
}

#[test]
fn hosts_share_the_pages() {
    let site = site();
    assert_eq!((site.host_of(0), site.host_of(15), site.host_of(16)), (0, 15, 0));
    assert_eq!(Site::host_name(site.host_of(19)), "h3.test");
}

#[test]
fn numbers_outside_their_limits_are_refused() {
    let wrong = [
        (SiteSpec { pages: 0, ..spec() }, SiteError::Pages),
        (SiteSpec { hosts: 0, ..spec() }, SiteError::Hosts { hosts: 0, pages: 2_000 }),
        (SiteSpec { hosts: 2_001, ..spec() }, SiteError::Hosts { hosts: 2_001, pages: 2_000 }),
        (SiteSpec { sigma: -0.1, ..spec() }, SiteError::Sigma(-0.1)),
        (SiteSpec { sigma: f64::INFINITY, ..spec() }, SiteError::Sigma(f64::INFINITY)),
        (SiteSpec { error_permille: 1_001, ..spec() }, SiteError::ErrorPermille(1_001)),
        (
            SiteSpec { median_latency: Duration::from_secs(61), ..spec() },
            SiteError::Median(Duration::from_secs(61)),
        ),
    ];
    for (spec, error) in wrong {
        assert_eq!(Site::new(spec), Err(error));
    }
    assert!(matches!(
        Site::new(SiteSpec { sigma: f64::NAN, ..spec() }),
        Err(SiteError::Sigma(sigma)) if sigma.is_nan()
    ));
}

#[test]
fn the_serialised_form_is_checked_too() {
    let text = serde_json::to_string(&site()).unwrap();
    assert_eq!(serde_json::from_str::<Site>(&text).unwrap(), site());
    let wrong = text.replace("\"pages\":2000", "\"pages\":0");
    let error = serde_json::from_str::<Site>(&wrong).unwrap_err();
    assert!(error.to_string().contains("pages is 0"), "{error}");
}
