//! What a program was built for against what the processor has, said before an instruction is met that it does not know.
//!
//! A plain build asks for nothing: kernels for AVX2 and AVX-512 are chosen when a program runs. A build with `-C target-cpu`
//! takes instructions for granted, and where they are missing the system ends it by a signal, without a word.

use std::fs;

use crate::Failure;

/// What a build may take for granted: the feature, Linux's name of it, and whether this build does.
const FEATURES: [(&str, &str, bool); 17] = [
    ("sse3", "pni", cfg!(target_feature = "sse3")),
    ("ssse3", "ssse3", cfg!(target_feature = "ssse3")),
    ("sse4.1", "sse4_1", cfg!(target_feature = "sse4.1")),
    ("sse4.2", "sse4_2", cfg!(target_feature = "sse4.2")),
    ("popcnt", "popcnt", cfg!(target_feature = "popcnt")),
    ("avx", "avx", cfg!(target_feature = "avx")),
    ("avx2", "avx2", cfg!(target_feature = "avx2")),
    ("fma", "fma", cfg!(target_feature = "fma")),
    ("f16c", "f16c", cfg!(target_feature = "f16c")),
    ("bmi1", "bmi1", cfg!(target_feature = "bmi1")),
    ("bmi2", "bmi2", cfg!(target_feature = "bmi2")),
    ("lzcnt", "abm", cfg!(target_feature = "lzcnt")),
    ("movbe", "movbe", cfg!(target_feature = "movbe")),
    ("avx512f", "avx512f", cfg!(target_feature = "avx512f")),
    ("avx512bw", "avx512bw", cfg!(target_feature = "avx512bw")),
    ("avx512dq", "avx512dq", cfg!(target_feature = "avx512dq")),
    ("avx512vl", "avx512vl", cfg!(target_feature = "avx512vl")),
];

/// Refuses to go on where this build takes something for granted that the processor lacks. Where the system does not say
/// what it has, nothing is refused.
pub(crate) fn check() -> Result<(), Failure> {
    if !FEATURES.iter().any(|(.., taken)| *taken) {
        return Ok(());
    }
    let Ok(facts) = fs::read_to_string("/proc/cpuinfo") else { return Ok(()) };
    refuse(&missing(&FEATURES, &facts))
}

fn refuse(missing: &[&str]) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("this program was built for processors with {}, which this one lacks", missing.join(", "));
    Err(Failure::unusable(message).hint("build it without -C target-cpu: plain programs run on every processor"))
}

/// The features that are taken for granted and not among the processor's.
fn missing<'a>(features: &[(&'a str, &str, bool)], facts: &str) -> Vec<&'a str> {
    let Some((_, has)) = facts.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == "flags")
    else {
        return Vec::new();
    };
    let has: Vec<&str> = has.split_whitespace().collect();
    features.iter().filter(|(_, name, taken)| *taken && !has.contains(name)).map(|(feature, ..)| *feature).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_for_granted_and_missing_is_named() {
        let facts = "processor\t: 0\nflags\t\t: fpu sse sse2 pni avx\nbugs\t\t: none\n";
        let taken = [
            ("sse3", "pni", true),
            ("avx", "avx", true),
            ("avx2", "avx2", true),
            ("fma", "fma", false),
            ("lzcnt", "abm", true),
        ];
        assert_eq!(missing(&taken, facts), ["avx2", "lzcnt"]);
        assert_eq!(missing(&taken, "Features : asimd\n"), Vec::<&str>::new());
        let failure = refuse(&missing(&taken, facts)).unwrap_err();
        assert_eq!(failure.message, "this program was built for processors with avx2, lzcnt, which this one lacks");
        assert!(refuse(&[]).is_ok() && check().is_ok(), "the tests run where they were built");
    }
}
