//! Wrong use of `compare` and `bench`, noticed before anything is built or measured.

use crate::program::xtask;

/// Expects exit code 2 and these words on standard error, and nothing else.
fn refused(arguments: &[&str], words: &str) {
    let said = xtask(arguments);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{arguments:?}: {}", said.err);
    assert!(said.err.contains(words), "{arguments:?}: {}", said.err);
    assert!(!said.err.contains("building"), "{arguments:?}: {}", said.err);
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    refused(&["compare", "io.wiat"], "did you mean io.wait?");
    refused(&["compare", "quicksort"], "no workload is called quicksort (there are: ");
    refused(&["compare", "--tier", "quik"], "'quick'");
    refused(&["compar"], "'compare'");
    refused(&["compare", "--export", "cvs=a.csv"], "did you mean csv?");
    refused(&["compare", "--export", "html=a.html"], "no format is called html (there are: ");
}

#[test]
fn impossible_values_are_refused() {
    refused(
        &["compare", "--rounds", "0"],
        "--rounds <N>': it takes a whole number from 1 to 65535",
    );
    refused(&["compare", "--workers", "70000"], "it takes a whole number from 1 to 65535");
    refused(&["compare", "--timeout", "1.5"], "it takes whole seconds, from 1 to 4294967295");
    refused(&["compare", "--lanes", "seq,,threads"], "--lanes <LANE>");
    refused(&["compare", ""], "FILTER");
    refused(&["compare", "--files", "/no/such/directory"], "/no/such/directory");
    refused(&["compare", "--export", "json"], "FORMAT=FILE");
    refused(&["compare", "--splice", "/no/such/file"], "/no/such/file");
}

#[test]
fn a_document_without_markers_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("README.md");
    std::fs::write(&path, "text").unwrap();
    refused(&["compare", "--splice", path.to_str().unwrap()], "no line <!-- compare:begin -->");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_measuring() {
    let folder = tempfile::tempdir().unwrap();
    let in_folder = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, missing) = (in_folder("file"), in_folder("missing/run.json"));
    std::fs::write(&file, "").unwrap();
    for path in [missing, in_folder(""), in_folder("new/"), format!("{file}/run.json")] {
        let words = format!("--export {path}: it cannot be written to: ");
        refused(&["compare", "--export", &format!("json={path}")], &words);
    }
    refused(&["compare", "--splice", folder.path().to_str().unwrap()], "--splice ");
    refused(&["compare", "--files", &file], "--files ");
}

#[test]
fn wrong_use_of_bench_is_refused() {
    refused(&["bench", "threds"], "did you mean threads?");
    refused(&["bench"], "<MODEL>");
    refused(&["bench", "threads", "--rounds", "0"], "--rounds");
    refused(
        &["bench", "threads", "--export", "csv=a.csv"],
        "no format is called csv (there are: json)",
    );
    refused(&["bench", "threads", "--smoke", "--gate"], "cannot be used with");
    refused(&["bench", "threads", "--instructions", "--gate"], "cannot be used with");
}

#[test]
fn a_bench_export_that_cannot_be_written_is_an_error_before_measuring() {
    let said = xtask(&["bench", "threads", "--export", "json=/no/such/directory/bench.json"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("failed to write the export /no/such/directory/bench.json"));
    assert!(!said.err.contains("building"), "{}", said.err);
}
