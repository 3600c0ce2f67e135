# What make would run, as `make -n` prints it, to one line a command: its wave, a tab, the command.
#
# A command is all that a rule does: a program, what is done before it (a folder made) and after it (marks for make).
# Commands of one wave need nothing of each other; a command of wave 2 needs what one of wave 1 writes, and so on.

# Lines that make was told to go on with.
{ text = text $0 }
/\\$/ { sub(/[ \t]*\\$/, " ", text); next }
{ line = text; text = ""; sub(/^[ \t]+/, "", line) }

line ~ /^mkdir / { before = before line " && "; next }
line ~ /^(touch|printf) / { if (count) command[count] = command[count] " && " line; next }
line ~ /^[^ ]*(sc-[a-z]+|search-step) / { add(before line) }
{ before = "" }

function add(line,    words, n, i, known) {
  count++
  command[count] = line
  wave[count] = 1
  n = split(line, words, " ")
  for (i = 1; i <= n; i++) {
    if (words[i - 1] == "--out") continue
    if (words[i] ~ /%/) {
      for (known in maker) if (is_like(known, words[i])) after(maker[known])
    } else if (words[i] in maker) {
      after(maker[words[i]])
    }
  }
  for (i = 1; i < n; i++) if (words[i] == "--out") maker[words[i + 1]] = count
}

function after(other) { if (wave[other] >= wave[count]) wave[count] = wave[other] + 1 }

# Whether a name is what a pattern says, % being anything.
function is_like(name, pattern,    parts) {
  split(pattern, parts, "%")
  return index(name, parts[1]) == 1 && substr(name, length(name) - length(parts[2]) + 1) == parts[2]
}

END { for (i = 1; i <= count; i++) print wave[i] "\t" command[i] }
