//! Who works in a run's folder, as its `.lock` says. Its text is read; the lock itself is never touched: taking it, even for a
//! moment, could turn away a run that starts.

use std::fs;
use std::path::Path;

/// The process that holds a run's folder, or held it last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    program: String,
    process: u32,
    host: Option<String>,
}

/// Longest name of a program that Linux keeps of a process.
const LONGEST_NAME: usize = 15;

impl Holder {
    /// The one that the lock of `folder` names: `sc-train 0.1.0, process 123 on host`.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(folder.join(".lock")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (program, rest) = text.trim().split_once(", process ")?;
        let (process, host) = rest.split_once(" on ").map_or((rest, None), |(process, host)| (process, Some(host)));
        Some(Self {
            program: program.split(' ').next()?.to_owned(),
            process: process.parse().ok()?,
            host: host.map(str::to_owned),
        })
    }

    /// Whether it is a process of this machine.
    pub(crate) fn is_here(&self, host: Option<&str>) -> bool {
        self.host.as_deref().is_some_and(|named| Some(named) == host)
    }

    /// Whether there is such a process, if it is one of this machine.
    pub(crate) fn is_alive(&self) -> bool {
        // The number of a process that ended is given to others in time.
        let name = fs::read_to_string(format!("/proc/{}/comm", self.process)).unwrap_or_default();
        let expected: String = self.program.chars().take(LONGEST_NAME).collect();
        name.trim() == expected
    }
}

/// The name of this machine in its network, where the system says.
pub(crate) fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname")).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_names_program_process_and_machine() {
        let holder =
            |host: Option<&str>| Holder { program: "sc-train".to_owned(), process: 123, host: host.map(str::to_owned) };
        assert_eq!(Holder::parse("sc-train 0.1.0, process 123 on a\n"), Some(holder(Some("a"))));
        assert_eq!(Holder::parse("sc-train 0.1.0, process 123\n"), Some(holder(None)));
        for other in ["", "another process", "sc-train 0.1.0, process x on a"] {
            assert_eq!(Holder::parse(other), None, "{other}");
        }
        assert!(holder(Some("a")).is_here(Some("a")) && !holder(Some("a")).is_here(Some("b")));
        assert!(!holder(None).is_here(None));
    }
}
