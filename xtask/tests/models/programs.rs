//! `tree_hash` and `crawl`, written three times.

use std::fs;

use crate::{
    built::answer,
    site::{POLITE, Site},
};

/// The models.
const MODELS: [&str; 3] = ["threads", "processes", "evented"];

/// Runs an example of every crate; all have to say the same, which is returned.
fn same_answer(example: &str, argument: &str) -> String {
    same(MODELS.map(|model| answer(model, example, &[argument])))
}

/// What all answers are.
fn same(answers: [String; 3]) -> String {
    assert_eq!(answers[0], answers[1], "threads and processes");
    assert_eq!(answers[0], answers[2], "threads and evented");
    let [answer, ..] = answers;
    answer
}

#[test]
fn tree_hash_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [("b", "two"), ("a/a", ""), ("a-b", "three"), ("a/deep/er", "one")] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(folder.path().join("large"), vec![7; 1 << 20]).unwrap();
    let answer = || same_answer("tree_hash", folder.path().to_str().unwrap());
    let first = answer();
    assert!(first.starts_with("5 files, "), "{first}");
    fs::write(folder.path().join("a/deep/er"), "0ne").unwrap();
    let changed = answer();
    assert_ne!(changed, first, "a byte differs");
    fs::rename(folder.path().join("b"), folder.path().join("c")).unwrap();
    assert_ne!(answer(), changed, "a name differs");
}

#[test]
fn crawl_says_the_same() {
    let answer = same(MODELS.map(|model| {
        // A site of its own for each: one that has been crawled refuses nothing any more.
        let site = Site::serve(40);
        let answer = answer(model, "crawl", &[&site.address()]);
        let most = site.most_at_once();
        assert!((2..=POLITE).contains(&most), "{model}: {most} requests at once");
        answer
    }));
    assert!(answer.starts_with("40 pages, "), "{answer}");
}
