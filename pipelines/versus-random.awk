# From the last runs of streamlined searches and their rivals (sc-analyze table --csv, in the order of the settings) to a table of
# means by setting, and to what the pairs say together. names: the settings, data:net:...; arms: in their order, the streamlined
# search first; each: searches of each kind per setting. A run that diverged counts at the chance of ten classes.
BEGIN { FS = ","; settings = split(names, setting, " "); kinds = split(arms, kind, " ") }
NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
{
  at = int((NR - 2) / (kinds * each)) + 1
  arm = $column["arm"]
  accuracy = $column["test_accuracy"] == "" ? 0.1 : $column["test_accuracy"]
  sum[at, arm] += accuracy
  of[arm, ++runs[arm]] = accuracy
}
END {
  printf "| data | net |"
  for (k = 1; k <= kinds; k++) printf " %s |", kind[k]
  printf "\n|---|---|"
  for (k = 1; k <= kinds; k++) printf "---|"
  print ""
  for (i = 1; i <= settings; i++) {
    split(setting[i], part, ":")
    printf "| %s | %s |", part[1], part[2]
    for (k = 1; k <= kinds; k++) printf " %.1f |", 100 * sum[i, kind[k]] / each
    print ""
  }
  print "\n| streamlined against | higher in | mean difference | standard error | p, sign test | p, signs flipped |\n|---|---|---|---|---|---|"
  for (k = 2; k <= kinds; k++) compare(kind[1], kind[k])
}
function compare(one, other,  i, mean, squares, higher) {
  pairs = runs[one]; total = 0; unequal = 0
  for (i = 1; i <= pairs; i++) {
    difference[i] = 100 * (of[one, i] - of[other, i])
    total += difference[i]; squares += difference[i] ^ 2
    higher += difference[i] > 0
    unequal += difference[i] != 0
  }
  mean = total / pairs
  printf "| %s | %d of %d | %+.1f | %.1f | %.2g | %.2g |\n", other, higher, pairs, mean, \
    sqrt((squares - pairs * mean ^ 2) / (pairs - 1) / pairs), sign_test(higher), flip_test()
}
# The chance of a split at least as uneven, if either search were as likely to end higher.
function sign_test(higher,  most, k, ways, tail) {
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
