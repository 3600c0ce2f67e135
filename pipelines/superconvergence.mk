# Super-convergence: does 1cycle, at the rate that range tests suggest, reach in fewer steps what a piecewise constant rate
# reaches at all?
#
# It is asked where the answer can be seen: 500 training digits, which the net knows by heart after some hundred steps, so that
# more steps help a piecewise constant rate no more; 4,000 test digits. From the same initial weights, seed by seed, four arms:
#   1cycle     Smith's variant at the rates that three short range tests suggest
#   piecewise  a constant rate that drops by 10 at 50% and 75%, at each length the best of a grid
#   customary  the same at the customary rate, 0.1
#   linear     a linear decay to zero from the rate of `piecewise`: without it a gain could not be put down to the cycle
# Rates are chosen on 500 validation digits and on other seeds than those compared. All arms train on the same 500 digits and
# are compared by their final accuracy on the test digits, read once.
# Primary figure: how many times as many steps `piecewise` needs for what 1cycle reaches, over the lengths at which it gets there
# at all, with a 95% interval over seeds. Equal is what surely lies within MARGIN points.
# Expected: docs/results/superconvergence.md, with the pilot study that fixed lengths and grid. The paper (arXiv 1708.07120, table
# 1: ResNet-56, 10,000 images of CIFAR-10): 80.6% in 10,000 steps of 1cycle, 71.4% in 80,000 at a customary piecewise rate.
# Cost: 32,000 steps of 64 images, and 10 x 11 evaluations: 24 minutes of processor time with AVX2 (12 to 20 on 2 cores). SCALE=long: twice the
# seeds, also all training digits, and LeNet, which has no batch norm: about 90 minutes, by estimate.
# The team's size: make superconvergence DATA=cifar10 NET=resnet56 BATCH=1024 AUGMENT=crop-flip LENGTHS="1000 2000 4000" \
#   SEEDS="1 2 3" RATE_STEPS=1000: many hours on a CPU.

# The study has a data set of its own, unless one is asked for.
own_data := $(filter file,$(origin DATA))

LENGTHS ?= 80 160 320 ## superconvergence: steps of the runs of all arms
MORE_LENGTHS ?= ## superconvergence: further lengths of the piecewise arm
CUSTOMARY_LENGTHS ?= $(if $(own_data),160 480,$(LENGTHS) $(MORE_LENGTHS)) ## superconvergence: lengths at the customary rate
SEEDS ?= 1 2 3 4 5 6 7 8 9 10 $(if $(filter long,$(SCALE)),11 12 13 14 15 16 17 18 19 20) ## superconvergence: seeds of initial weights and order
GRID ?= 0.1 0.2 0.4 0.8 1.6 ## superconvergence: rates that the baseline chooses from, at each length
CUSTOMARY ?= 0.1 ## superconvergence: the customary rate
RATE_SEEDS ?= 101 102 103 ## superconvergence: seeds of the range tests and of the grid's runs; none that is compared
RATE_STEPS ?= 40 ## superconvergence: steps of each range test
MARGIN ?= 0.5 ## superconvergence: points of accuracy that are too few to matter
TEST_EVERY ?= 0 ## superconvergence: steps between looks at the test set, for the curves alone; 0: none
VARIANT ?= smith ## superconvergence: variant of 1cycle: smith, paper, torch, torch-three-phase or fastai
CYCLE_FLAGS ?= ## superconvergence: more flags of the 1cycle arm, such as --max-momentum 0.95 --min-momentum 0.85

# So with the batch. On a data set that is asked for, rates are chosen on a tenth of the training images, and the arms train
# on all.
sc_data := $(if $(own_data),mnist5k-few,$(strip $(DATA)))
sc_batch := $(if $(and $(own_data),$(filter file,$(origin BATCH))),64,$(strip $(BATCH)))
sc_shares := $(if $(own_data),0.5:0.5,0.1:0)
empty :=
commas = $(or $(subst $(empty) ,$(,),$(strip $1)),none)
list = $(filter-out none,$(subst $(,), ,$(call part,$1,$2)))

# data:net:batch:share for validation while rates are chosen:that of the arms:customary rate:grid:lengths:more lengths:those
# at the customary rate
sc_settings := $(sc_data):$(strip $(NET)):$(sc_batch):$(sc_shares):$(strip $(CUSTOMARY)):$(call commas,$(GRID)):$(call \
  commas,$(LENGTHS)):$(call commas,$(MORE_LENGTHS)):$(call commas,$(CUSTOMARY_LENGTHS))
ifeq ($(strip $(SCALE)),long)
sc_settings += \
  mnist5k:resnet8:64:0.1:0:0.1:0.1,0.2,0.4,0.8,1.6:80,160,320:640,1280:320,1280,2560 \
  mnist5k-few:lenet:64:0.5:0.5:0.01:0.005,0.01,0.02,0.04:80,160,320:640:160,320,640 \
  mnist5k:lenet:64:0.1:0:0.01:0.005,0.01,0.02,0.04:80,160,320:640,1280:320,640,1280
endif

sc_name = $(call part,$1,1)_$(call part,$1,2)_bs$(call part,$1,3)$(if $(engine),_$(strip $(ENGINE)))
sc_folder = runs/superconvergence_$(call sc_name,$1)
# 1: setting, 2: seed
sc_init = init/$(call part,$1,2)$(if $(filter resnet% bottleneck%,$(call part,$1,2)),-$(strip $(SHORTCUT)))_$(call part,$1,1)_seed$2.safetensors
sc_net = $(call part,$1,2)$(if $(filter resnet% bottleneck%,$(call part,$1,2)), --shortcut $(strip $(SHORTCUT)))
# 1: setting
sc_optimizer = --batch-size $(call part,$1,3) --optimizer $(strip $(OPTIMIZER)) --momentum $(strip $(MOMENTUM)) \
  --weight-decay $(strip $(WEIGHT_DECAY)) --device $(strip $(DEVICE)) $(engine)
sc_common = $(call sc_optimizer,$1) --augment $(strip $(AUGMENT)) --bn-momentum $(strip $(BN_MOMENTUM)) \
  --bn-reestimate $(strip $(BN_REESTIMATE)) $(precision) --study superconvergence
# 1: setting, 2: name of the run, 3: program, 4: seed, 5: flags, 6: file that the rates come from, if any
sc_run = $(eval $(call run_on,$(call sc_folder,$1)/$2,$3,data/$(call part,$1,1).safetensors,$(call sc_init,$1,$4),$5 \
  $(call sc_common,$1),$6))

# Names of runs. 1: setting, 2: length, 3: seed, 4: rate
sc_suggestion = $(call sc_folder,$1)/suggestion.json
sc_choice = $(call sc_folder,$1)/choice-it$2.json
sc_grid = grid-it$2-lr$4-seed$3
# 1: setting
once = $(if $1,$(firstword $1) $(call once,$(filter-out $(firstword $1),$1)))
sc_long = $(call once,$(call list,$1,8) $(call list,$1,9))
sc_range_runs = $(foreach s,$(RATE_SEEDS),$(call sc_folder,$1)/range-seed$s)
# 1: setting, 2: length
sc_grid_runs = $(foreach r,$(call list,$1,7),$(foreach s,$(RATE_SEEDS),$(call sc_folder,$1)/$(call sc_grid,$1,$2,$s,$r)))
# 1: setting, 2: lengths, 3: arm
sc_arm_runs = $(foreach n,$2,$(foreach s,$(SEEDS),$(call sc_folder,$1)/$3-it$n-seed$s))
sc_runs = $(call sc_range_runs,$1) $(foreach n,$(call sc_long,$1),$(call sc_grid_runs,$1,$n)) \
  $(call sc_arm_runs,$1,$(call sc_long,$1),piecewise) $(call sc_arm_runs,$1,$(call list,$1,10),customary) \
  $(foreach arm,1cycle linear,$(call sc_arm_runs,$1,$(call list,$1,8),$(arm)))

sc_drops := --schedule piecewise --drop-at 0.5,0.75 --drop-factor 0.1
sc_decay := --schedule poly --power 1
sc_rate_flags = --val-from-train $(call part,$1,4)
sc_arm_flags = --iterations $2 --val-from-train $(call part,$1,5) --val-every 0 --test-every $(strip $(TEST_EVERY))

# How a rate is found. 1: setting, 2: seed
define sc_range_test
$(eval $(call probe_on,$(call sc_folder,$1)/probe-seed$2.json,data/$(call part,$1,1).safetensors,$(call sc_init,$1,$2),\
  --batches 2 --seed $2 $(call sc_optimizer,$1)))
$(call sc_run,$1,range-seed$2,sc-rangetest,$2,--around $(call sc_folder,$1)/probe-seed$2.json --arm range-test \
  --iterations $(strip $(RATE_STEPS)) --val-every 4 $(call sc_rate_flags,$1),$(call sc_folder,$1)/probe-seed$2.json)
endef

# The piecewise arm of a length, with its grid. 1: setting, 2: length
define sc_piecewise
$(foreach s,$(RATE_SEEDS),$(foreach r,$(call list,$1,7),$(call sc_run,$1,$(call sc_grid,$1,$2,$s,$r),sc-train,$s,\
  $(sc_drops) --lr $r --arm grid --iterations $2 --val-every 0 --validation-only $(call sc_rate_flags,$1),)))
$(eval $(call choose,$(call sc_choice,$1,$2),$(call sc_grid_runs,$1,$2)))
$(foreach s,$(SEEDS),$(call sc_run,$1,piecewise-it$2-seed$s,sc-train,$s,$(sc_drops) --choice $(call sc_choice,$1,$2) \
  --arm piecewise $(call sc_arm_flags,$1,$2),$(call sc_choice,$1,$2)))
endef

# 1: setting, 2: length
define sc_customary
$(foreach s,$(SEEDS),$(call sc_run,$1,customary-it$2-seed$s,sc-train,$s,$(sc_drops) --lr $(call part,$1,6) \
  --arm customary $(call sc_arm_flags,$1,$2),))
endef

# The arms that end at zero. 1: setting, 2: length
define sc_to_zero
$(foreach s,$(SEEDS),$(call sc_run,$1,1cycle-it$2-seed$s,sc-train,$s,--schedule 1cycle --variant $(strip $(VARIANT)) \
  --suggestion $(call sc_suggestion,$1) $(strip $(CYCLE_FLAGS)) --arm 1cycle $(call sc_arm_flags,$1,$2),$(call sc_suggestion,$1)))
$(foreach s,$(SEEDS),$(call sc_run,$1,linear-it$2-seed$s,sc-train,$s,$(sc_decay) --choice $(call sc_choice,$1,$2) \
  --arm linear $(call sc_arm_flags,$1,$2),$(call sc_choice,$1,$2)))
endef

# A suggestion says for which training it holds, where that has one length. 1: lengths
sc_for = $(if $(filter 1,$(words $1)),--for-iterations $(strip $1))
# 1: setting
define sc_study
$(foreach s,$(sort $(RATE_SEEDS) $(SEEDS)),$(eval $(call init_on,$(call sc_init,$1,$s),data/$(call part,$1,1).safetensors,$s,$(call sc_net,$1))))
$(foreach s,$(RATE_SEEDS),$(call sc_range_test,$1,$s))
$(eval $(call suggest,$(call sc_suggestion,$1),$(call sc_range_runs,$1),$(call sc_for,$(call list,$1,8))))
$(foreach n,$(call sc_long,$1),$(call sc_piecewise,$1,$n))
$(foreach n,$(call list,$1,8),$(call sc_to_zero,$1,$n))
$(foreach n,$(call list,$1,10),$(call sc_customary,$1,$n))
$(eval $(call report,reports/superconvergence_$(call sc_name,$1),$(call sc_runs,$1),$(call sc_suggestion,$1),\
  1cycle and piecewise constant: $(call part,$1,2) on $(call part,$1,1)$(,) batch $(call part,$1,3),--margin $(strip $(MARGIN))))
endef
$(foreach setting_,$(sc_settings),$(call sc_study,$(setting_)))

.PHONY: superconvergence
superconvergence: $(foreach setting_,$(sc_settings),reports/superconvergence_$(call sc_name,$(setting_))/index.html) ## the study: rates, 1cycle against a tuned and a customary baseline, report

# The pilot study that fixed lengths and grid: validation digits alone, a seed that is compared nowhere.
PILOT_SEEDS ?= 201 ## superconvergence-pilot: seeds
# schedule:rate:lengths
sc_pilot_runs := piecewise:0.1:60,120,240,480 piecewise:0.2:60,120,240 piecewise:0.4:60,120,240,480 piecewise:0.8:60,120,240 \
  linear:0.4:60,120,240 linear:0.8:60,120,240 1cycle:0.5:60,120,240 1cycle:1:60,120,240,480 1cycle:2:60,120,240
sc_pilot_piecewise = $(sc_drops) --lr $1
sc_pilot_linear = $(sc_decay) --lr $1
sc_pilot_1cycle = --schedule 1cycle --max-lr $1
sc_pilot_setting := $(firstword $(sc_settings))
# 1: line of sc_pilot_runs, 2: length, 3: seed
sc_pilot_name = pilot-$(call part,$1,1)-it$2-lr$(call part,$1,2)-seed$3
sc_each_pilot = $(foreach s,$(PILOT_SEEDS),$(foreach line_,$(sc_pilot_runs),$(foreach n,$(call list,$(line_),3),$(call $1,$(line_),$n,$s))))
sc_pilot = $(call sc_run,$(sc_pilot_setting),$(call sc_pilot_name,$1,$2,$3),sc-train,$3,$(call sc_pilot_$(call part,$1,1),$(call \
  part,$1,2)) --arm pilot-$(call part,$1,1) --iterations $2 --val-every 0 --validation-only \
  --val-from-train $(call part,$(sc_pilot_setting),4),)
$(foreach s,$(PILOT_SEEDS),$(eval $(call init_on,$(call sc_init,$(sc_pilot_setting),$s),data/$(call \
  part,$(sc_pilot_setting),1).safetensors,$s,$(call sc_net,$(sc_pilot_setting)))))
$(call sc_each_pilot,sc_pilot)

.PHONY: superconvergence-pilot
superconvergence-pilot: $(addprefix $(call sc_folder,$(sc_pilot_setting))/,$(addsuffix /result.json,$(call sc_each_pilot,sc_pilot_name))) | $(BIN)/sc-analyze ## the pilot study of superconvergence, a table
	@$(BIN)/sc-analyze table $(patsubst %/result.json,%,$^) --vary any
