//! Compiles the GPU's kernels for the processor, for the tests alone: nothing else links them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/gpu/kernels.cu");
    println!("cargo::rerun-if-changed=tests/engines/emulated.c");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    for (name, define) in [("float32", None), ("bf16", Some(("BF16", "1"))), ("threads", Some(("THREADS", "4")))] {
        let mut build = cc::Build::new();
        build.file("tests/engines/emulated.c").define("ENTRY", format!("emulate_{name}").as_str());
        if let Some((macro_name, value)) = define {
            build.define(macro_name, value);
        }
        let library = format!("emulated_{name}");
        build.std("c11").opt_level(2).cargo_metadata(false).compile(&library);
        println!("cargo::rustc-link-arg-tests={out}/lib{library}.a");
    }
    println!("cargo::rustc-link-arg-tests=-lm");
    println!("cargo::rustc-link-arg-tests=-lpthread");
}
