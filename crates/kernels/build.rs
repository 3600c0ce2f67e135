//! Compiles the GPU's kernels for the processor, for the tests alone: nothing else links them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/gpu/kernels.cu");
    println!("cargo::rerun-if-changed=tests/engines/emulated.c");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    for precision in ["float32", "bf16"] {
        let mut build = cc::Build::new();
        build.file("tests/engines/emulated.c").define("ENTRY", format!("emulate_{precision}").as_str());
        if precision == "bf16" {
            build.define("BF16", None);
        }
        let library = format!("emulated_{precision}");
        build.std("c11").opt_level(2).cargo_metadata(false).compile(&library);
        println!("cargo::rustc-link-arg-tests={out}/lib{library}.a");
    }
    println!("cargo::rustc-link-arg-tests=-lm");
}
