//! What the record says of the machine.

use std::fs;

use artifacts::run::Machine;

/// This machine, as far as the system says.
pub fn describe() -> Machine {
    Machine {
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
        cores: cores(),
    }
}

/// Processors that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The largest resident memory of this process so far, in bytes; none where the system does not say.
pub fn peak_rss_bytes() -> Option<u64> {
    let text = field("/proc/self/status", "VmHWM")?;
    let kilobytes: u64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Memory that a program may take without others being pushed out, in bytes; none where the system does not say.
pub fn available_bytes() -> Option<u64> {
    let text = field("/proc/meminfo", "MemAvailable")?;
    let kilobytes: u64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The commit that this program was built from, where that is known.
pub fn commit() -> Option<String> {
    option_env!("SUPERCONV_COMMIT").map(str::to_owned)
}

/// Compiler and target that this program was built with.
pub fn build() -> String {
    env!("SUPERCONV_BUILD").to_owned()
}

/// The machine's name in its network, where the system says.
pub fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname")).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn field(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
