# Which rule finds the highest useful learning rate?
#
# In each setting below the ground truth is measured: final validation accuracy of 1cycle (Smith's variant, from a tenth of the
# highest rate) over a grid of highest rates a factor of 2 apart, four seeds each. Rules see range tests alone: log ramps
# of a share of the steps that they serve, from five seeds. `rule-bench` reads every rule off every ramp and says how
# many points it costs against the best rate of the grid, in the settings that rules may be fitted on (F; O and P, which
# judged earlier rules) and in those that judge them (J).
# Expected: docs/the-rule.md has what was found, and the tables that this target writes.
# Cost: 1,992 runs and 1,275 ramps of seconds each, about 3 hours on 2 cores. `make -j2 rule-bench THREADS=1` is faster than
# one run at a time. What is done stays done: the same command goes on where it was stopped.
# MNIST's 5,000 digits are in the repository; CIFAR-10 comes from RULE_CIFAR, 5,000 images of it.

RULE_CIFAR ?= cifar10 --download ## rule-bench: CIFAR-10, as sc-prep takes it: folder FILE.tar, cifar10 FILE.tar.gz
RULE_SEEDS ?= 1 2 3 4 ## rule-bench: seeds of the ground truth
RULE_RAMP_SEEDS ?= 1 2 3 4 5 ## rule-bench: seeds of the ramps

# id:half:data:net:batch:optimizer:momentum:weight decay:steps:lowest rate:number of rates
RULE_SETTINGS := \
  S01:F:mnist5k:lenet:32:sgd:0.9:5e-4:200:0.00025:10 \
  S02:O:mnist5k:lenet:128:sgd:0:5e-4:80:0.002:9 \
  S03:F:mnist5k:lenet:64:adamw:0.9:1e-2:120:0.0001:11 \
  S04:O:mnist5k:lenet:256:nesterov:0.95:5e-4:40:0.0005:9 \
  S05:F:mnist5k:resnet8:128:sgd:0.9:1e-4:60:0.016:10 \
  S06:O:mnist5k:resnet8:32:sgd:0.9:1e-4:200:0.016:10 \
  S10:O:mnist5k:shallow:64:sgd:0.9:1e-3:150:0.001:9 \
  S11:F:mnist5k:shallow:128:adamw:0.9:1e-2:80:0.0002:10 \
  S08:O:mnist5k:resnet8:128:adamw:0.9:1e-2:60:0.0016:10 \
  S07:F:mnist5k:resnet8:512:nesterov:0.9:1e-4:24:0.016:9 \
  S13:F:cifar5k:shallow:64:sgd:0.9:4e-3:200:0.001:9 \
  S14:O:cifar5k:shallow:128:nesterov:0.9:1e-3:100:0.001:9 \
  S15:F:cifar5k:lenet:128:sgd:0.9:5e-4:100:0.0005:10 \
  S16:O:cifar5k:lenet:32:sgd:0.5:5e-4:300:0.001:9 \
  S09:F:mnist5k:resnet8:64:sgd:0:1e-4:120:0.04:10 \
  S12:O:mnist5k:bottleneck11:64:sgd:0:1e-4:80:0.04:10 \
  S17:F:cifar5k:resnet8:128:sgd:0.9:1e-4:80:0.008:10 \
  S18:O:cifar5k:resnet8:64:sgd:0.95:1e-4:120:0.004:10 \
  S21:F:cifar5k:resnet20:64:sgd:0.9:1e-4:80:0.004:10 \
  S25:O:cifar5k:shallow:64:adamw:0.9:1e-2:120:0.0002:9 \
  S20:F:cifar5k:resnet8:128:adamw:0.9:1e-2:60:0.0008:10 \
  S23:O:cifar5k:bottleneck11:64:sgd:0.9:1e-4:80:0.004:10 \
  S28:O:mnist5k:resnet8:64:sgd:0.9:1e-4:300:0.016:10 \
  S27:F:mnist5k:lenet:64:sgd:0.9:5e-4:600:0.00025:10 \
  S22:O:cifar5k:resnet20:128:nesterov:0.9:5e-4:40:0.004:9 \
  S29:P:mnist5k:lenet:1024:sgd:0.9:5e-4:30:0.001:9 \
  S30:P:mnist5k:shallow:32:nesterov:0.9:5e-4:150:0.001:9 \
  S31:P:mnist5k:resnet8:256:sgd:0.5:1e-4:40:0.04:10 \
  S32:P:cifar5k:lenet:64:nesterov:0.95:5e-4:150:0.0005:9 \
  S33:P:cifar5k:lenet:256:sgd:0:5e-4:60:0.004:10 \
  S34:P:cifar5k:shallow:32:sgd:0:1e-3:150:0.004:10 \
  S35:P:mnist5k:shallow:256:sgd:0.95:1e-4:50:0.0005:10 \
  S36:P:mnist5k:lenet:128:adamw:0.9:1e-3:60:0.0001:11 \
  S37:P:cifar5k:resnet8:256:nesterov:0.9:5e-4:40:0.008:10 \
  S38:P:mnist5k:resnet20:64:sgd:0.9:1e-4:60:0.008:10 \
  S39:P:cifar5k:bottleneck11:32:nesterov:0.8:1e-4:100:0.004:10 \
  S40:P:mnist5k:bottleneck11:128:adamw:0.9:1e-2:40:0.0008:10 \
  S41:P:cifar5k:lenet:32:adamw:0.9:1e-2:200:0.0001:10 \
  S42:J:mnist5k:lenet:64:sgd:0.95:5e-4:100:0.00025:10 \
  S43:J:cifar5k:shallow:64:nesterov:0.95:1e-3:120:0.0005:10 \
  S44:J:cifar5k:lenet:64:sgd:0:5e-4:150:0.004:9 \
  S45:J:mnist5k:shallow:128:sgd:0:1e-4:60:0.002:10 \
  S46:J:mnist5k:resnet8:64:nesterov:0.95:1e-4:100:0.008:10 \
  S47:J:cifar5k:resnet8:32:sgd:0.9:5e-4:150:0.004:11 \
  S48:J:cifar5k:resnet20:128:sgd:0.5:1e-4:50:0.008:10 \
  S49:J:mnist5k:lenet:512:nesterov:0.9:5e-4:40:0.0005:9 \
  S50:J:mnist5k:bottleneck11:64:sgd:0.9:1e-4:100:0.004:10 \
  S51:J:cifar5k:lenet:128:adamw:0.9:1e-3:100:0.0001:10 \
  S52:J:mnist5k:shallow:64:adamw:0.9:1e-2:150:0.0001:10 \
  S53:J:cifar5k:bottleneck11:128:adamw:0.9:1e-2:60:0.0004:10 \
  S54:J:cifar5k:shallow:256:sgd:0.9:1e-3:60:0.001:9

# Settings that judge the rule anew, written down before any of their runs was made: data, classes and a net that it was not found on,
# photographs, optimizers and momenta that no setting above has, batches of 16 to 1024, 40 to 4,000 steps, with augmentation.
# The same as above, and: augmentation:share of the training images for validation
RULE_JUDGES := \
  S55:K:catdog:resnet8:32:sgd:0.9:1e-4:400:0.016:9:crop-flip:0.2 \
  S56:K:catdog:lenet:16:sgd:0.9:5e-4:1500:0.0005:9:flip:0.2 \
  S57:K:five:shallow:64:sgd:0.98:1e-3:400:0.00025:9:crop-flip:0.2 \
  S58:K:five:resnet8:16:sgd:0.9:1e-4:300:0.008:9:none:0.2 \
  S59:K:photos:resnet8:16:sgd:0.9:5e-4:300:0.008:9:crop-flip:0.4 \
  S60:K:photos:shallow:32:adam:0.9:1e-4:300:0.0002:8:flip:0.4 \
  S61:K:five:lenet:1024:sgd:0:5e-4:40:0.008:10:none:0.2 \
  S62:K:catdog:bottleneck11:64:nesterov:0.95:1e-4:100:0.008:9:crop-flip:0.2 \
  S63:K:photos:resnet20:32:nesterov:0.9:1e-4:80:0.008:9:flip:0.4 \
  S64:K:five:lenet:32:rmsprop:0.9:1e-4:400:0.00005:9:none:0.2 \
  S65:K:mnist5k:resnet32:64:sgd:0.9:1e-4:40:0.016:9:none:0.2 \
  S66:K:cifar5k:lenet:16:sgd:0.9:5e-4:4000:0.0005:8:crop-flip:0.2 \
  S67:K:catdog:shallow:128:adagrad:0:1e-4:150:0.0005:9:none:0.2 \
  S68:K:mnist5k:lenet:64:adadelta:0:1e-4:200:0.03:10:none:0.2 \
  S69:K:five:resnet8:64:adamw:0.9:1e-2:120:0.0008:9:crop-flip:0.2 \
  S70:K:five:shallow:512:sgd:0.95:1e-3:40:0.0005:9:none:0.2 \
  S71:K:five:resnet8:128:sgd:0:1e-4:80:0.08:9:flip:0.2 \
  S72:K:mnist5k:resnet8:32:sgd:0.9:1e-4:400:0.064:8:none:0.2

RULE_JUDGE_SEEDS ?= 1 2 ## rule-judges: seeds of the ground truth
RULE_JUDGE_RAMP_SEEDS ?= 1 2 3 ## rule-judges: seeds of the ramps
RULE_PICTURES ?= folder pictures ## rule-judges: photographs of about ten classes, as sc-prep takes them
RULE_RAMPS ?= 15 33 50 ## rule-bench: lengths of the ramps over all rates, in percent of the training's steps
RULE_AROUND ?= 15 33 ## rule-bench: lengths of the ramps around the critical rate, in percent of the training's steps

# A ramp's rates: wide enough to need no knowledge of the setting but the kind of optimizer.
RULE_RAMP_RATES := $(foreach o,sgd nesterov,$o:1e-4:30) $(foreach o,adam adamw rmsprop,$o:1e-6:1) adagrad:1e-5:10 adadelta:1e-3:300
# A ramp's steps are a share of those of the training that it serves, but at least so many.
RULE_RAMP_LEAST := 12

rule_name := rule-bench
ifneq ($(filter rule-judges%,$(MAKECMDGOALS)),)
rule_name := rule-judges
RULE_SETTINGS := $(RULE_JUDGES)
RULE_RAMPS := 50
RULE_SEEDS := $(RULE_JUDGE_SEEDS)
RULE_RAMP_SEEDS := $(RULE_JUDGE_RAMP_SEEDS)
endif
rule_folder := runs/$(rule_name)
rule_results := docs/results/$(rule_name)

# A tool of development: not among the programs that are installed.
$(BIN)/rule-bench: $(RUST_SOURCES)
	@$(CARGO) build --release --workspace --bins
	@touch $@

.PHONY: rule-claims
rule-claims: | $(BIN)/rule-bench ## print what the tables of rule-bench say beyond themselves: hindsight regret, transfer
	@$(BIN)/rule-bench docs/results/rule-bench --claims
	@if [ -d docs/results/rule-judges ]; then $(BIN)/rule-bench docs/results/rule-judges --claims --fitted-on docs/results/rule-bench; fi

# What follows are some two thousand targets: they are made only where one of them is asked for.
ifneq ($(filter rule-bench% rule-judges%,$(MAKECMDGOALS)),)

$(eval $(call prep,cifar5k,$(strip $(RULE_CIFAR)) --limit-per-class 500 --limit-test-per-class 50,))
$(eval $(call prep,catdog,$(strip $(RULE_CIFAR)) --only cat$(,)dog --limit-per-class 2000 --limit-test-per-class 200,))
$(eval $(call prep,five,$(strip $(RULE_CIFAR)) --only airplane$(,)bird$(,)frog$(,)horse$(,)truck --limit-per-class 800 --limit-test-per-class 200,))
$(eval $(call prep,photos,$(strip $(RULE_PICTURES)) --size 32,))

# Of a setting: its folder, its data, its weights, and the flags that all of its runs share.
rule_setting = $(rule_folder)/$(call part,$1,1)
rule_data = data/$(call part,$1,3).safetensors
rule_init = $(call init_of,$(call part,$1,4),$(call part,$1,3),$2)
rule_flags = --study rule-bench --batch-size $(call part,$1,5) --optimizer $(call part,$1,6) --momentum $(call part,$1,7) \
  --weight-decay $(call part,$1,8) --bn-reestimate 4 --val-from-train $(or $(call part,$1,13),0.2) --val-every 0 \
  $(addprefix --augment ,$(call part,$1,12))
rule_rates = $(shell awk 'BEGIN { for (i = 0; i < $(call part,$1,11); i++) printf "%.6g ", $(call part,$1,10) * 2 ^ i }')
# 1: setting, 2: percent
rule_steps = $(shell awk 'BEGIN { n = int($(call part,$1,9) * $2 / 100 + 0.5); print n < $(RULE_RAMP_LEAST) ? $(RULE_RAMP_LEAST) : n }')
rule_ends = $(subst :, ,$(filter $(call part,$1,6):%,$(RULE_RAMP_RATES)))

# Of a setting and a seed: what sc-probe measured at the initial weights.
rule_probe = $(rule_setting)/probe-seed$2.json
rule_probe_flags = --batch-size $(call part,$1,5) --optimizer $(call part,$1,6) --momentum $(call part,$1,7) \
  --weight-decay $(call part,$1,8) --val-from-train $(or $(call part,$1,13),0.2) --batches 2 --seed $2
rule_probing = $(call probe_on,$(rule_probe),$(rule_data),$(rule_init),$(rule_probe_flags))

rule_runs :=
# 1: setting, 2: name of the run, 3: program, 4: seed, 5: flags, 6: probe that the rates come from, if any
define rule_run
rule_runs += $(rule_setting)/$2
$(call run_on,$(rule_setting)/$2,$3,$(rule_data),$(call rule_init,$1,$4),$5 $(rule_flags),$6)
endef
# 1: setting, 2: rates
define rule_truth
$(foreach s,$(RULE_SEEDS),$(foreach r,$2,$(eval $(call rule_run,$1,truth-lr$r-seed$s,sc-train,$s,--schedule 1cycle \
  --max-lr $r --iterations $(call part,$1,9) --arm truth,))))
endef
# 1: setting, 2: percent, 3: steps, 4: ends of the rates
define rule_ramp
$(foreach s,$(RULE_RAMP_SEEDS),$(eval $(call rule_run,$1,ramp$2-seed$s,sc-rangetest,$s,--scale log \
  --min-lr $(word 2,$4) --max-lr $(word 3,$4) --no-probe --iterations $3 --arm ramp$2,)))
endef
# 1: setting, 2: percent, 3: steps
define rule_around_ramp
$(foreach s,$(RULE_RAMP_SEEDS),$(eval $(call rule_run,$1,around$2-seed$s,sc-rangetest,$s,--around $(call rule_probe,$1,$s) \
  --iterations $3 --arm around$2,$(call rule_probe,$1,$s))))
endef

rule_inits := $(sort $(foreach t,$(RULE_SETTINGS),$(foreach s,$(RULE_SEEDS) $(RULE_RAMP_SEEDS),\
  $(call part,$t,3):$(call part,$t,4):$s)))
$(foreach i,$(rule_inits),$(eval $(call init_on,$(call rule_init,-:-:$(call part,$i,1):$(call part,$i,2),$(call part,$i,3)),\
  data/$(call part,$i,1).safetensors,$(call part,$i,3),$(call part,$i,2))))
$(foreach t,$(RULE_SETTINGS),$(foreach s,$(RULE_RAMP_SEEDS),$(eval $(call rule_probing,$t,$s)))\
  $(foreach p,$(RULE_AROUND),$(call rule_around_ramp,$t,$p,$(call rule_steps,$t,$p)))\
  $(foreach p,$(RULE_RAMPS),$(call rule_ramp,$t,$p,$(call rule_steps,$t,$p),$(call rule_ends,$t)))\
  $(call rule_truth,$t,$(call rule_rates,$t)))

rule_half = $(foreach t,$(RULE_SETTINGS),$(if $(filter $1,$(call part,$t,2)),$(call part,$t,1)))
.PHONY: rule-bench rule-bench-runs rule-judges
rule-bench-runs: $(addsuffix /result.json,$(rule_runs))
rule-judges: $(addsuffix /result.json,$(rule_runs)) | $(BIN)/rule-bench
	@$(BIN)/rule-bench $(rule_folder) --judging $(call rule_half,K) --out $(rule_results)
	@$(BIN)/rule-bench $(rule_results) --by-curve $(rule_folder)
	@$(BIN)/rule-bench $(rule_results) --claims --fitted-on docs/results/rule-bench
rule-bench: rule-bench-runs | $(BIN)/rule-bench
	@$(BIN)/rule-bench $(rule_folder) --tuning $(call rule_half,F O P) --judging $(call rule_half,J) --out $(rule_results)
	@$(BIN)/rule-bench $(rule_results) --by-curve $(rule_folder)
	@$(BIN)/rule-bench $(rule_results) --anew $(rule_folder)
endif

ifeq ($(filter rule-bench% rule-judges%,$(MAKECMDGOALS)),)
.PHONY: rule-bench rule-judges
rule-bench: ## measure what rules for the highest rate cost, against the ground truth: hours
rule-judges: ## the same on settings, data and optimizers that no rule was found on: an hour
endif
