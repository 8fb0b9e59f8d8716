//! Each model crate without the rest: a package outside of the workspace, made as the README says.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

use crate::built::{cargo, root, target};

/// What nobody who uses one crate wants to see in its dependencies.
const NEVER: [&str; 7] =
    ["common", "clap", "serde_json", "xtask", "threads", "processes", "evented"];

#[test]
fn threads_alone() {
    alone("threads");
}

#[test]
fn processes_alone() {
    alone("processes");
}

#[test]
fn evented_alone() {
    alone("evented");
}

/// Makes a package beside a clone, with the README's dependency line and its first program; it has
/// to build, to run, and to bring in nothing of the comparison.
fn alone(model: &str) {
    let readme = fs::read_to_string(root().join(model).join("README.md")).expect("it has a README");
    // The same folder each time: what was built for it is still there the next time.
    let folder = target().join("models").join(model);
    let project = folder.join("project");
    fs::create_dir_all(project.join("src")).expect("the folder can be written to");
    let manifest = format!(
        "[package]\nname = \"project-{model}\"\nedition = \"2024\"\n\n[dependencies]\n{}\n\n[workspace]\n",
        dependency_line(&readme, model)
    );
    fs::write(project.join("Cargo.toml"), manifest).expect("the folder can be written to");
    fs::write(project.join("src/main.rs"), first_program(&readme))
        .expect("the folder can be written to");
    let clone = folder.join("triptych");
    // The target folder may have been that of a clone elsewhere.
    if fs::read_link(&clone).is_ok_and(|linked| linked != root()) {
        fs::remove_file(&clone).expect("it is a link");
    }
    match symlink(root(), &clone) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        linked => linked.expect("a link"),
    }
    // The same versions as here: nothing has to be fetched.
    fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock"))
        .expect("the folder can be written to");
    succeed(in_project(&project).args(["run", "--offline", "--quiet"]));
    let tree = succeed(in_project(&project).args([
        "tree",
        "--offline",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]));
    let tree = String::from_utf8(tree.stdout).expect("cargo prints text");
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&model), "{tree}");
    for name in NEVER.into_iter().filter(|name| *name != model) {
        assert!(!names.contains(&name), "{model} brings {name} in:\n{tree}");
    }
}

/// Cargo in the project, with the target folder of this test: what both need alike is there.
fn in_project(project: &Path) -> Command {
    let mut command = cargo();
    command.current_dir(project).env("CARGO_TARGET_DIR", target());
    command
}

/// Runs a command that has to succeed.
fn succeed(command: &mut Command) -> Output {
    let output = command.output().expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    output
}

/// The line that a README tells users to write.
fn dependency_line<'a>(readme: &'a str, model: &str) -> &'a str {
    let begin = format!("{model} = {{ path = ");
    readme
        .lines()
        .find(|line| line.starts_with(&begin))
        .expect("the README shows a dependency line")
}

/// The first program of a README, with a `main` around it unless it has one.
fn first_program(readme: &str) -> String {
    let begin = readme.find("```rust\n").expect("the README shows a program") + "```rust\n".len();
    let length = readme[begin..].find("```").expect("the program ends");
    let program = &readme[begin..begin + length];
    if program.contains("fn main()") {
        program.to_owned()
    } else {
        format!("fn main() {{\n{program}}}\n")
    }
}
