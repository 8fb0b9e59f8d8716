//! What kind of machine this is.

use rustix::system::uname;

use super::procfs;

/// The machine that a result was measured on. `None` means that it could not be found out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Environment {
    /// The processor, by the name that it gives itself.
    pub cpu_model: Option<String>,
    /// The kernel and its release.
    pub kernel: String,
    /// The architecture, as the kernel names it.
    pub architecture: String,
    /// What decides on the clock rate of the first processor; virtual machines seldom say.
    pub governor: Option<String>,
    /// Whether the machine is one.
    pub machine: Option<Machine>,
}

/// Whether a machine is made of metal.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Machine {
    /// Nothing says that it is not.
    Physical,
    /// It runs under a hypervisor: other guests may take its processors away.
    Virtual,
}

impl Environment {
    /// Looks at the machine.
    pub fn read() -> Self {
        let system = uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        let cpuinfo = procfs::read("/proc/cpuinfo").unwrap_or_default();
        let board = || procfs::read("/proc/device-tree/model");
        let governor = procfs::read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        let hypervisor = procfs::read("/sys/hypervisor/type");
        Self {
            cpu_model: cpu_model(&cpuinfo).or_else(|| tidy(&board()?)),
            kernel: format!("{} {}", text(system.sysname()), text(system.release())),
            architecture: text(system.machine()),
            governor: governor.as_deref().and_then(tidy),
            machine: machine(&cpuinfo, hypervisor.as_deref()),
        }
    }
}

/// The name of the processor in `/proc/cpuinfo`, which not every architecture gives.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    ["model name", "Model", "cpu model", "cpu"]
        .iter()
        .find_map(|key| value(cpuinfo, key))
        .and_then(tidy)
}

/// What `/proc/cpuinfo` and Xen say about the machine. On x86 the processor has a flag for it; a
/// hypervisor may hide the flag. Elsewhere the lack of a sign is no sign.
fn machine(cpuinfo: &str, hypervisor: Option<&str>) -> Option<Machine> {
    if hypervisor.is_some_and(|name| !name.trim().is_empty()) {
        return Some(Machine::Virtual);
    }
    let flagged = value(cpuinfo, "flags")?.split(' ').any(|flag| flag == "hypervisor");
    Some(if flagged { Machine::Virtual } else { Machine::Physical })
}

/// The text behind the first line of `/proc/cpuinfo` with this key.
fn value<'t>(cpuinfo: &'t str, key: &str) -> Option<&'t str> {
    cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

/// The text without blanks or zeros around it; `None` if nothing is left.
fn tidy(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of `/proc/cpuinfo` on x86, with these flags.
    fn x86(flags: &str) -> String {
        format!(
            "processor\t: 0\nmodel\t\t: 1\nmodel name\t: Example CPU 7 @ 2.0GHz\nflags\t\t: {flags}\n"
        )
    }

    #[test]
    fn x86_names_itself_and_its_hypervisor() {
        let guest = x86("fpu hypervisor sse2");
        assert_eq!(cpu_model(&guest).as_deref(), Some("Example CPU 7 @ 2.0GHz"));
        assert_eq!(machine(&guest, None), Some(Machine::Virtual));
        assert_eq!(machine(&x86("fpu hypervisor_x"), None), Some(Machine::Physical));
        assert_eq!(machine(&x86("fpu"), Some("xen\n")), Some(Machine::Virtual));
    }

    #[test]
    fn without_a_sign_nothing_is_claimed() {
        let arm = "processor\t: 0\nFeatures\t: fp asimd\nCPU part\t: 0xd0c\n";
        assert_eq!(cpu_model(arm), None);
        assert_eq!(machine(arm, None), None);
        assert_eq!(machine("", Some("\n")), None);
        assert_eq!(tidy("Example Board\0").as_deref(), Some("Example Board"));
        assert_eq!(tidy("\0\n"), None);
    }

    #[test]
    fn this_machine_has_a_kernel() {
        let environment = Environment::read();
        assert!(environment.kernel.split(' ').count() >= 2, "{environment:?}");
        assert!(!environment.architecture.is_empty());
    }
}
