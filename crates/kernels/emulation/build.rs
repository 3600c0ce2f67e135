//! Compiles the GPU's kernels for the processor, once for each way to run them.

#![forbid(unsafe_code)]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=emulated.c");
    println!("cargo::rerun-if-changed=../src/gpu/kernels.cu");
    for (name, define) in [("float32", None), ("bf16", Some(("BF16", "1"))), ("threads", Some(("THREADS", "4")))] {
        let mut build = cc::Build::new();
        build.file("emulated.c").define("ENTRY", format!("emulate_{name}").as_str());
        if let Some((macro_name, value)) = define {
            build.define(macro_name, value);
        }
        build.std("c11").opt_level(2).compile(&format!("emulated_{name}"));
    }
    println!("cargo::rustc-link-lib=m");
    println!("cargo::rustc-link-lib=pthread");
}
