# Targets and variables that a `##` comment documents, out of makefiles.
BEGIN { print "Targets:" }
/^[a-z][a-z-]*:.*## / {
    target = $0; sub(/:.*/, "", target)
    text = $0; sub(/.*## /, "", text)
    printf "  %-18s %s\n", target, text
}
/^[A-Z_]+ \?=.* ## / {
    name = $1
    text = $0; sub(/.*## /, "", text)
    variables[++count] = sprintf("  %-18s %s", name, text)
}
END {
    print "\nWhat the variables mean:"
    for (i = 1; i <= count; i++) print variables[i]
}
