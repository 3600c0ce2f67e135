# Which learning rates are worth training at?
#
# Range tests from the same initial weights, read by `sc-analyze suggest`: on a log and on a linear scale, to look at, and
# around the critical rate of the first step, which sc-probe measures: these decide the highest rate (docs/the-rule.md).
# Expected on the defaults (resnet8 on 5,000 MNIST digits): learning starts near 0.003, the outcome is a plateau or a hill
# that ends between 1 and 10; the suggestion says which, with an interval.
# Cost: 6 runs of 120 steps, about 30 seconds on 2 cores.

RANGE_SEEDS ?= 1 2 ## rangetest: seeds on the log scale; the linear one takes the first
RANGE_AROUND_SEEDS ?= 1 2 3 ## rangetest: seeds of the range tests around the critical rate
RANGE_ITERATIONS ?= 120 ## rangetest: steps of each range test
RANGE_MIN_LR ?= 1e-4 ## rangetest: where the log scale starts; the linear one starts at 0
RANGE_MAX_LR ?= 30 ## rangetest: where the log scale ends
RANGE_LINEAR_MAX_LR ?= 3 ## rangetest: where the linear scale ends
RANGE_VAL_EVERY ?= 4 ## rangetest: steps between measurements on the validation images

setting := $(strip $(DATA))_$(strip $(NET))_bs$(strip $(BATCH))$(if $(engine),_$(strip $(ENGINE)))
range_folder := runs/rangetest_$(setting)
range_suggestion := $(range_folder)/suggestion.json
range_flags := --study rangetest --arm range-test --iterations $(strip $(RANGE_ITERATIONS)) --val-from-train 0.1 \
  --val-every $(strip $(RANGE_VAL_EVERY))
log_runs := $(foreach s,$(RANGE_SEEDS),$(range_folder)/log-seed$s)
linear_runs := $(range_folder)/linear-seed$(firstword $(RANGE_SEEDS))
around_runs := $(foreach s,$(RANGE_AROUND_SEEDS),$(range_folder)/around-seed$s)
range_runs := $(around_runs) $(log_runs) $(linear_runs)

$(foreach s,$(RANGE_SEEDS),$(eval $(call run,$(range_folder)/log-seed$s,sc-rangetest,$s,--scale log \
  --min-lr $(strip $(RANGE_MIN_LR)) --max-lr $(strip $(RANGE_MAX_LR)) $(range_flags))))
$(eval $(call run,$(linear_runs),sc-rangetest,$(firstword $(RANGE_SEEDS)),--scale linear \
  --min-lr 0 --max-lr $(strip $(RANGE_LINEAR_MAX_LR)) $(range_flags)))
$(foreach s,$(RANGE_AROUND_SEEDS),$(eval $(call probe,$(range_folder)/probe-seed$s.json,$s)) \
  $(eval $(call run,$(range_folder)/around-seed$s,sc-rangetest,$s,--around $(range_folder)/probe-seed$s.json \
  $(range_flags),$(range_folder)/probe-seed$s.json)))
# The length of the training, where the user names one: by default there are several, set later.
range_for := $(if $(filter undefined,$(origin LENGTHS)),,$(if $(filter 1,$(words $(LENGTHS))),--for-iterations $(strip $(LENGTHS))))
$(eval $(call suggest,$(range_suggestion),$(range_runs),$(range_for)))
$(eval $(call report,reports/rangetest_$(setting),$(range_runs),$(range_suggestion),\
  Range test: $(strip $(NET)) on $(strip $(DATA))$(,) batch $(strip $(BATCH))))

.PHONY: rangetest
rangetest: reports/rangetest_$(setting)/index.html ## run range tests, suggest rates, draw a report
