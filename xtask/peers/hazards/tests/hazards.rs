//! What is documented is what happens.

use hazards::Outcome::{self, Hangs, Overflows, Right};
use std::{fs, path::Path};

/// How each program ends in rayon's pool.
fn with_rayon(program: &str) -> Outcome {
    match program {
        "mutex" | "once-lock" | "long-job" | "install" => Hangs,
        "ref-cell" => Outcome::Panics("RefCell already borrowed".into()),
        "scopes" | "jobs" => Overflows,
        _ => Right,
    }
}

#[test]
fn programs_end_as_documented() {
    let seen = hazards::see(Path::new(env!("CARGO_BIN_EXE_hazards"))).unwrap();
    for seen in &seen {
        assert_eq!(seen.threads, Right, "{}", seen.program.name);
        assert_eq!(seen.rayon, with_rayon(seen.program.name), "{}", seen.program.name);
    }
    let text = fs::read_to_string(hazards::document()).unwrap();
    let command = "run `cargo run -p hazards -- --write` in xtask/peers";
    assert_eq!(hazards::spliced(&text, &hazards::table(&seen)).unwrap(), text, "{command}");
}

#[test]
fn what_is_not_there_is_refused() {
    assert!(hazards::find("mutex", "rayon").is_ok());
    assert!(hazards::find("mutex", "tokio").unwrap_err().contains("`threads`"));
    assert!(hazards::find("mutexes", "rayon").unwrap_err().contains("but mutex, once-lock"));
}
