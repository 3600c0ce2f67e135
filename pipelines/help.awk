# Targets and variables that a `##` comment documents, each once: those named by -v targets=... and variables=... first;
# with -v all=1 then the others, in the order of the files. The first file (stdin) holds the variables' values, a line
# NAME=VALUE each; the others are makefiles.
NR == FNR { name = $0; sub(/=.*/, "", name); value[name] = $0; next }
/^[a-z][a-z-]*:.*## / {
    name = $0; sub(/:.*/, "", name)
    if (!(name in target)) named[++names] = name
    target[name] = described()
}
/^[A-Z_]+ \?=.* ## / {
    variable[$1] = described()
    counted[++count] = $1
}
END {
    print "Targets:"
    n = split(targets, first, " ")
    for (i = 1; i <= n; i++) show(first[i], target)
    if (all) for (i = 1; i <= names; i++) show(named[i], target)
    print "\nVariables, with their values now:"
    n = split(variables, first, " ")
    for (i = 1; i <= n; i++) show(first[i], variable)
    if (all) for (i = 1; i <= count; i++) show(counted[i], variable)
}
function described(  text) { text = $0; sub(/.*## /, "", text); return text }
function show(name, texts) {
    if (name in texts) printf "  %-22s %s\n", name in value ? value[name] : name, texts[name]
    delete texts[name]
}
