//! The program that runs on each machine that is to work for the other program of this example: it has
//! the functions, and all else is the command line of a node (`processes_node --help`).

mod collatz;

fn main() -> std::process::ExitCode {
    processes::node::main()
}
