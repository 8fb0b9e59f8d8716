//! `hazards <program> rayon|threads` runs a program, `hazards --table` all of them in processes of
//! their own, and `hazards --write` puts what it saw into `threads/RAYON.md`.

use std::{env, fs, io, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["--table"] => table().map(|table| print!("{table}")),
        ["--write"] => write(),
        [program, pool] => run(program, pool),
        _ => Err(io::Error::other("say `<program> rayon|threads`, `--table` or `--write`")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hazards: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a program, and says how it ended.
fn run(program: &str, pool: &str) -> io::Result<()> {
    let (program, pool) = hazards::find(program, pool).map_err(io::Error::other)?;
    hazards::end_with_parent()?;
    program.run(pool);
    println!("right");
    Ok(())
}

/// What is seen now.
fn table() -> io::Result<String> {
    Ok(hazards::table(&hazards::see(&env::current_exe()?)?))
}

/// Puts it into the document.
fn write() -> io::Result<()> {
    let path = hazards::document();
    let text = fs::read_to_string(&path)?;
    fs::write(&path, hazards::spliced(&text, &table()?).map_err(io::Error::other)?)
}
