//! Exports and splicing.

use std::fs;

use clap::Parser as _;

use crate::{
    cli::CompareArgs,
    compare::{
        record::{Finish, Phase, Run},
        report::{Outputs, markdown, samples},
    },
    exit::Exit,
};

use super::fixture::classic;

/// `compare` with these arguments.
fn args(arguments: &[String]) -> CompareArgs {
    /// Something that clap can parse.
    #[derive(clap::Parser)]
    struct Parser {
        /// What is asked for.
        #[command(flatten)]
        args: CompareArgs,
    }
    Parser::parse_from([&"compare".to_owned()].into_iter().chain(arguments)).args
}

#[test]
fn exports_parse_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let export = |format: &str| format!("--export={format}={}", file(format).display());
    let outputs = Outputs::check(&args(&[export("json"), export("csv"), export("md")])).unwrap();
    let run = classic();
    let (written, result) = outputs.write(&run);
    result.unwrap();
    assert_eq!(written, [file("json"), file("csv"), file("md")]);

    let read: Run = serde_json::from_slice(&fs::read(file("json")).unwrap()).unwrap();
    let cells = |run: &Run| serde_json::to_value(&run.cells).unwrap();
    assert!(cells(&read) == cells(&run));
    let evidence = |run: &Run| -> Vec<String> {
        run.claims.iter().map(|claim| claim.evidence.clone()).collect()
    };
    assert_eq!(evidence(&read), evidence(&run));

    let mut reader = csv::Reader::from_path(file("csv")).unwrap();
    let head = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cells = run.cells.iter().map(|cell| cell.samples.len().max(1)).sum::<usize>();
    assert_eq!(rows.len(), cells);
    let column = |name: &str| head.iter().position(|head| head == name).unwrap();
    let wall: u64 = rows.iter().filter_map(|row| row[column("wall_ns")].parse::<u64>().ok()).sum();
    let samples = || run.cells.iter().flat_map(|cell| &cell.samples);
    assert_eq!(wall, samples().map(|sample| sample.wall_ns).sum::<u64>());
    let controls = rows.iter().filter(|row| &row[column("phase")] == "control").count();
    assert_eq!(controls, samples().filter(|sample| sample.phase == Phase::Control).count());
    assert!(rows.iter().all(|row| row[column("base_pss_bytes")].is_empty()), "not measured");
    let died = |row: &&csv::StringRecord| &row[column("host")] == "died";
    assert_eq!(rows.iter().filter(died).count(), 13);

    let text = fs::read_to_string(file("md")).unwrap();
    let tables: Vec<usize> = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.matches(" |").count())
        .collect();
    assert!(tables.len() > 50, "{text}");
    assert!(text.contains("- **holds**: Python threads do not speed up computing"), "{text}");
}

#[test]
fn a_field_with_anything_in_it_stays_one_field() {
    let mut run = classic();
    run.cells.truncate(1);
    run.cells[0].size = "a \"quoted\", size\nof two lines".into();
    let text = samples::csv(&run).unwrap();
    let mut reader = csv::Reader::from_reader(&text[..]);
    assert!(reader.records().all(|row| row.unwrap()[2] == run.cells[0].size));
}

#[test]
fn splicing_keeps_the_rest_and_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("README.md");
    let (top, end) = ("# Title\n\n<!-- compare:begin -->\n", "<!-- compare:end -->\n\nLast line");
    fs::write(&path, format!("{top}old\n{end}")).unwrap();
    let outputs = Outputs::check(&args(&[format!("--splice={}", path.display())])).unwrap();
    let mut run = classic();
    outputs.write(&run).1.unwrap();
    let once = fs::read_to_string(&path).unwrap();
    let block = once.strip_prefix(top).unwrap().strip_suffix(end).unwrap();
    for wanted in [
        "Measured with `cargo xtask compare` on 2026-01-02T03:04:05Z, revision 0123456789, on Example CPU 7, 2 cores",
        "- To compute (`cpu.coarse`, uniform): use threads: 2.13x as fast as seq",
        "- To survive what goes wrong (`fault.matrix`): use processes",
        "| lane | cpu.coarse uniform | io.wait 10000 |",
    ] {
        assert!(block.contains(wanted), "{wanted}: {block}");
    }
    assert!(!block.contains("skewed"), "only the main points: {block}");
    outputs.write(&run).1.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), once);
    run.finish = Finish::Interrupted;
    outputs.write(&run).1.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), once, "partial results are not spliced");
    assert_eq!(outputs.not_spliced(&run), Some(&*path));
    assert!(markdown::whole(&run).contains("\n**INTERRUPTED: these are partial"));
}

#[test]
fn what_cannot_be_spliced_is_refused_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("README.md");
    let check = || Outputs::check(&args(&[format!("--splice={}", path.display())])).unwrap_err();
    assert_eq!(check().exit, Exit::Usage, "there is no such file");
    fs::write(&path, "no markers").unwrap();
    let error = check();
    assert!(error.message.contains("README.md: it has no line <!-- compare:begin -->"), "{error}");
    assert_eq!(error.exit, Exit::Usage);
    assert_eq!(fs::read_to_string(&path).unwrap(), "no markers");
}
