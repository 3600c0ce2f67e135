# From the last runs of streamlined and random searches (sc-analyze table --csv, in the order of the settings) to a table of
# means by setting. names: the settings, data:net:...; each: searches of each kind in a setting. A run that diverged counts
# at the chance of ten classes.
BEGIN { FS = ","; settings = split(names, setting, " ") }
NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
{
  at = int((NR - 2) / (2 * each)) + 1
  accuracy = $column["test_accuracy"] == "" ? 0.1 : $column["test_accuracy"]
  sum[at, $column["arm"]] += accuracy
  seeds[at, $column["arm"]] = seeds[at, $column["arm"]] sprintf(" %.1f", 100 * accuracy)
}
END {
  print "| data | net | streamlined, % | random, % | means, % | difference |"
  print "|---|---|---|---|---|---|"
  for (i = 1; i <= settings; i++) {
    split(setting[i], part, ":")
    a = 100 * sum[i, "streamlined"] / each; b = 100 * sum[i, "random"] / each
    printf "| %s | %s |%s |%s | %.1f and %.1f | %+.1f |\n", part[1], part[2], seeds[i, "streamlined"], seeds[i, "random"], a, b, a - b
    higher += a >= b
  }
  printf "\nThe streamlined search ends higher or equal in %d of %d settings (means over seeds).\n", higher, settings
}
