# From records of range tests to a table: rate, training loss and validation accuracy at every `every`-th step.
function number(key,  at, rest) {
  at = index($0, "\"" key "\":")
  if (!at) return "null"
  rest = substr($0, at + length(key) + 3)
  sub(/[,}].*/, "", rest)
  return rest
}
function shown(value, form) { return value == "null" ? "not finite" : sprintf(form, value) }
FNR == 1 {
  n = split(FILENAME, part, "/")
  printf "\n%s\n| rate | training loss | validation loss | validation accuracy, %% |\n|---|---|---|---|\n", part[n - 1]
}
FNR % every == 0 {
  accuracy = number("val_accuracy")
  printf "| %.1f | %s | %s | %s |\n", number("lr"), shown(number("train_loss"), "%.2f"), \
    shown(number("val_loss"), "%.2f"), accuracy == "null" ? "not measured" : sprintf("%.1f", 100 * accuracy)
}
