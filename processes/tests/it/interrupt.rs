//! Ctrl-C, typed in a real terminal (tmux's) under a shell with job control.

use std::process::{Command, Output, Stdio};

use crate::support::{skip, wait_until};

/// A terminal; it and what runs in it end when this is dropped, also when the test fails.
struct Terminal {
    /// Names a tmux server that nobody else uses.
    socket: String,
}

impl Terminal {
    /// A terminal with a shell; none, and a line that says so, where there is no tmux.
    fn open(name: &str) -> Option<Self> {
        let version = Command::new("tmux").arg("-V").stdout(Stdio::null()).status();
        if version.is_err() {
            skip("tools", "there is no tmux to type Ctrl-C in");
            return None;
        }
        let terminal = Self { socket: format!("triptych-{name}-{}", std::process::id()) };
        // What a shell reads at its start is not for us.
        let shell = "env -u ENV PS1='> ' sh -i";
        let opened =
            terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", shell]);
        assert!(opened.status.success(), "{opened:?}");
        wait_until("the shell is ready", || terminal.screen() == ">");
        Some(terminal)
    }

    /// Has tmux do something. What it starts has the path of the example in a variable, for there may be
    /// spaces and quotes in it.
    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.args(["-L", &self.socket]).args(arguments).env_remove("TMUX");
        tmux.env("EXAMPLE", crate::examples::path("processes_interrupt")).output().unwrap()
    }

    /// Types.
    fn keys(&self, keys: &[&str]) {
        assert!(self.tmux(&[&["send-keys"], keys].concat()).status.success());
    }

    /// What is on the screen.
    fn screen(&self) -> String {
        let captured = self.tmux(&["capture-pane", "-p"]).stdout;
        String::from_utf8(captured).unwrap().trim_end_matches('\n').to_owned()
    }

    /// Starts the example, waits until its calls run, and says its process id.
    fn start(&self, argument: &str) -> String {
        self.keys(&[&format!("\"$EXAMPLE\" {argument}; echo ended: $?"), "Enter"]);
        let mut pid = String::new();
        wait_until("its calls run", || {
            let screen = self.screen();
            let ready = screen.lines().find_map(|line| line.strip_prefix("ready: "));
            ready.unwrap_or_default().clone_into(&mut pid);
            !pid.is_empty()
        });
        pid
    }

    /// Types Ctrl-C, and waits until the program's handler has run.
    fn interrupt(&self, pid: &str) {
        self.keys(&["C-c"]);
        wait_until("the signal is on its way", || self.screen().contains("^C"));
        wait_until("the signal is handled", || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let pending = status.lines().filter(|line| line.contains("Pnd:"));
            pending.into_iter().all(|line| line.ends_with("0000000000000000"))
        });
    }

    /// What the program and the shell have printed, once the program has ended.
    fn rest(&self, argument: &str, pid: &str) -> String {
        wait_until("it ends", || self.screen().contains("\nended: "));
        wait_until("the shell is ready", || self.screen().ends_with("\n>"));
        let begin = format!("> \"$EXAMPLE\" {argument}; echo ended: $?\nready: {pid}\n");
        let screen = self.screen();
        screen.strip_prefix(&begin).unwrap_or_else(|| panic!("{screen}")).to_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn the_first_one_lets_what_was_submitted_run() {
    let Some(terminal) = Terminal::open("first") else { return };
    let pid = terminal.start("drain");
    terminal.interrupt(&pid);
    let rest = terminal.rest("drain", &pid);
    assert_eq!(rest, "^C32 done, 0 cancelled, 0 lost, no more\nended: 0\n>");
}

#[test]
fn the_second_one_kills() {
    let Some(terminal) = Terminal::open("second") else { return };
    let pid = terminal.start("hang");
    terminal.interrupt(&pid);
    terminal.interrupt(&pid);
    let rest = terminal.rest("hang", &pid);
    assert_eq!(rest, "^C^C0 done, 30 cancelled, 2 lost, no more\nended: 0\n>");
}
