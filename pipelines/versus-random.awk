# From the last runs of streamlined and random searches (sc-analyze table --csv, in the order of the settings) to a table of
# means by setting, and to what the pairs say together. names: the settings, data:net:...; each: searches of each kind per
# setting. A run that diverged counts at the chance of ten classes.
BEGIN { FS = ","; settings = split(names, setting, " ") }
NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
{
  at = int((NR - 2) / (2 * each)) + 1
  arm = $column["arm"]
  accuracy = $column["test_accuracy"] == "" ? 0.1 : $column["test_accuracy"]
  sum[at, arm] += accuracy
  seeds[at, arm] = seeds[at, arm] sprintf("%s %.1f", seeds[at, arm] == "" ? "" : ",", 100 * accuracy)
  of[arm, ++runs[arm]] = accuracy
}
END {
  print "| data | net | streamlined, % | random, % | means, % | difference |"
  print "|---|---|---|---|---|---|"
  for (i = 1; i <= settings; i++) {
    split(setting[i], part, ":")
    a = 100 * sum[i, "streamlined"] / each; b = 100 * sum[i, "random"] / each
    printf "| %s | %s |%s |%s | %.1f and %.1f | %+.1f |\n", part[1], part[2], seeds[i, "streamlined"], seeds[i, "random"], a, b, a - b
  }
  pairs = runs["streamlined"]
  for (i = 1; i <= pairs; i++) {
    difference[i] = 100 * (of["streamlined", i] - of["random", i])
    total += difference[i]; squares += difference[i] ^ 2
    higher += difference[i] > 0
    unequal += difference[i] != 0
  }
  mean = total / pairs
  printf "\nOf %d pairs the streamlined search ends higher in %d. Mean difference %+.1f points, standard deviation %.1f.\n", \
    pairs, higher, mean, sqrt((squares - pairs * mean ^ 2) / (pairs - 1))
  printf "Two-sided p: %.2f by the sign test, %.2f by flipping the signs of the differences.\n", sign_test(), flip_test()
}
# The chance of a split at least as uneven, if either search were as likely to end higher.
function sign_test(  most, k, ways, tail) {
  most = higher > unequal - higher ? higher : unequal - higher
  for (ways = 1; k <= unequal; k++) {
    if (k >= most) tail += ways
    ways *= (unequal - k) / (k + 1)
  }
  tail *= 2 / 2 ^ unequal
  return tail > 1 ? 1 : tail
}
# The share of all ways to flip signs whose sum is at least as far from 0.
function flip_test(  way, bits, i, flipped, far) {
  for (way = 0; way < 2 ^ pairs; way++) {
    bits = way; flipped = 0
    for (i = 1; i <= pairs; i++) { flipped += bits % 2 ? -difference[i] : difference[i]; bits = int(bits / 2) }
    far += (flipped < 0 ? -flipped : flipped) >= (total < 0 ? -total : total) - 1e-9
  }
  return far / 2 ^ pairs
}
