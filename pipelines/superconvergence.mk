# Does 1cycle at the suggested rates train in fewer iterations than a piecewise constant rate?
#
# From the same initial weights, seed by seed, at lengths fixed beforehand: 1cycle at the rates that the range test
# suggests, and a baseline that drops by 10 at 50% and 75%, at the best rate of a grid for each length, chosen on
# validation images. Same momentum, weight decay, augmentation and batch norm in both arms. The final arms train
# on all training images and are compared by their final accuracy on the test set.
# Expected on the defaults (a PyTorch pilot on this data, three seeds, best rate of each arm's grid): at 60 steps 1cycle
# .894 and the baseline .873; at 120 steps .963 and .957: modest, and larger the shorter the run.
# Cost: the range tests, 36 + 18 runs of 60 to 240 steps: about 5 minutes on 2 cores with AVX-512.
# The team's size: make superconvergence DATA=cifar10 NET=resnet56 BATCH=1024 AUGMENT=crop-flip LENGTHS="1000 2000 4000" \
#   RANGE_ITERATIONS=4000: many hours on a CPU.

LENGTHS ?= 60 120 240 ## superconvergence: steps of the runs that are compared
SEEDS ?= 1 2 3 ## superconvergence: seeds of initial weights and order
GRID ?= 0.1 0.2 0.4 0.8 ## superconvergence: rates that the baseline chooses from, at each length
GRID_SEEDS ?= 1 2 3 ## superconvergence: seeds of the grid's runs; the rate is chosen by their mean
TEST_EVERY ?= 20 ## superconvergence: steps between looks at the test set, for the curves alone; 0: none
VARIANT ?= smith ## superconvergence: variant of 1cycle: smith, paper, torch, torch-three-phase or fastai
CYCLE_FLAGS ?= ## superconvergence: more flags of the 1cycle arm, such as --max-momentum 0.95 --min-momentum 0.85

study := superconvergence_$(setting)
study_folder := runs/$(study)
arm_flags = --study superconvergence --iterations $1 --val-from-train 0 --test-every $(strip $(TEST_EVERY))
baseline := --schedule piecewise --drop-at 0.5,0.75 --drop-factor 0.1

# 1: length, 2: seed
cycle_run = $(study_folder)/1cycle-it$1-seed$2
baseline_run = $(study_folder)/piecewise-it$1-seed$2
# 1: length, 2: seed, 3: rate
grid_run = $(study_folder)/grid-it$1-lr$3-seed$2
grid_runs = $(foreach r,$(GRID),$(foreach s,$(GRID_SEEDS),$(call grid_run,$1,$s,$r)))
choice = $(study_folder)/choice-it$1.json

define superconvergence_length
$(foreach s,$(GRID_SEEDS),$(foreach r,$(GRID),$(eval $(call run,$(call grid_run,$1,$s,$r),sc-train,$s,$(baseline) --lr $r \
  --study superconvergence --arm grid --iterations $1 --val-from-train 0.1 --val-every 0))))
$(eval $(call choose,$(call choice,$1),$(call grid_runs,$1)))
$(foreach s,$(SEEDS),$(eval $(call run,$(call baseline_run,$1,$s),sc-train,$s,$(baseline) --choice $(call choice,$1) \
  --arm piecewise $(call arm_flags,$1),$(call choice,$1))))
$(foreach s,$(SEEDS),$(eval $(call run,$(call cycle_run,$1,$s),sc-train,$s,--schedule 1cycle --variant $(strip $(VARIANT)) \
  --suggestion $(range_suggestion) $(strip $(CYCLE_FLAGS)) --arm 1cycle $(call arm_flags,$1),$(range_suggestion))))
endef
$(foreach n,$(LENGTHS),$(call superconvergence_length,$n))

$(foreach s,$(sort $(RANGE_SEEDS) $(RANGE_AROUND_SEEDS) $(SEEDS) $(GRID_SEEDS)),$(eval $(call init,$s)))

study_runs := $(range_runs) $(foreach n,$(LENGTHS),$(call grid_runs,$n) \
  $(foreach s,$(SEEDS),$(call baseline_run,$n,$s) $(call cycle_run,$n,$s)))
$(eval $(call report,reports/$(study),$(study_runs),$(range_suggestion),\
  1cycle and piecewise constant: $(strip $(NET)) on $(strip $(DATA))$(,) batch $(strip $(BATCH))))

.PHONY: superconvergence
superconvergence: reports/$(study)/index.html ## the study: range tests, rates, 1cycle against a tuned baseline, report
