//! The examples of the model crates.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Cargo, in the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).stdin(Stdio::null());
    cargo
}

/// The target folder that this test was built in.
pub(crate) fn target() -> PathBuf {
    let program = env::current_exe().expect("a test has a path");
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    program.ancestors().find(marked).expect("cargo marks its target folder").to_owned()
}

/// The folder of the examples, which are there once all of them have been built. When all members are
/// tested they have been, and nothing is left to do, provided that all members are chosen here too: else
/// what they stand on would have other features.
fn examples() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let build = cargo()
            .args(["build", "--workspace", "--examples", "--quiet"])
            .arg("--target-dir")
            .arg(target())
            .status();
        assert!(build.expect("cargo starts").success(), "the examples do not build");
        target().join("debug/examples")
    })
}

/// Runs an example of a model to its end.
pub(crate) fn run(model: &str, example: &str, arguments: &[&str]) -> Output {
    let program = examples().join(format!("{model}_{example}"));
    let output = Command::new(&program).args(arguments).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// What an example prints; it has to end well.
pub(crate) fn answer(model: &str, example: &str, arguments: &[&str]) -> String {
    let output = run(model, example, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{model} {example}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).expect("it prints text")
}
