# The one of the words in ARGV that is most like the first: by its letters first, then by its number.
# awk -f nearest.awk CIFAR10 mnist5k cifar10 cifar100  prints cifar10

function least(a, b) { return a < b ? a : b }

# How many letters are to be put in, left out or changed.
function distance(a, b,    i, j, above, row) {
  for (j = 0; j <= length(b); j++) row[j] = j
  for (i = 1; i <= length(a); i++) {
    above = row[0]
    row[0] = i
    for (j = 1; j <= length(b); j++) {
      kept = above + (substr(a, i, 1) != substr(b, j, 1))
      above = row[j]
      row[j] = least(kept, 1 + least(row[j], row[j - 1]))
    }
  }
  return row[length(b)]
}

function letters(word) { gsub(/[0-9]/, "", word); return tolower(word) }
function number(word) { gsub(/[^0-9]/, "", word); return word == "" ? -50 : word + 0 }

BEGIN {
  word = ARGV[1]
  best = -1
  for (i = 2; i < ARGC; i++) {
    off = number(word) - number(ARGV[i])
    score = 1000 * distance(letters(word), letters(ARGV[i])) + least(999, off < 0 ? -off : off)
    if (best < 0 || score < best) { best = score; found = ARGV[i] }
  }
  print found
}
