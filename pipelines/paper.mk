# The papers and a team's log, asked again: an experiment a file, in pipelines/paper/ and pipelines/team/.
#
# The head of each file states question, cost and claims, with the published numbers; `sc-analyze claims` reads them there, holds
# the runs against them and writes a verdict for each: docs/papers.md says how to read it. SCALE=small asks at a size that one core
# answers in minutes: 500 training images of CIFAR-10 and a small net. SCALE=full is the paper's size. Both are the same file.
# Cost: of each experiment in its head, and in docs/results/papers.md. All at SCALE=small, paper-headline aside, train on 6.3 million
# images: about 1.4 hours of one core, by the 1,280 images/s of resnet8 that one core made beside others' work.

PAPER_CIFAR ?= cifar10 --download ## paper, team: CIFAR-10, as sc-prep takes it: folder FILE.tar, cifar10 FILE.tar.gz
PAPER_SEEDS ?= 1 2 3 ## paper, team: seeds of the arms
PAPER_RATE_SEEDS ?= 101 102 ## paper, team: seeds of the grids that rates are chosen on; none that is compared
PAPER_SHORTEN ?= 1 ## paper, team: divide all numbers of steps by this, to see an experiment run

# What `make help-all` shows; each is the name of a file.
.PHONY: paper team
paper: ## all experiments of the papers, into docs/results/papers.md; SCALE=small or full
paper-batch: ## paper: batch size at equal steps
paper-cycles: ## paper: triangular, triangular2 and exp_range cycles against a fixed rate
paper-decay: ## paper: weight decay under a high rate
paper-depth: ## paper: deeper nets, 1cycle against piecewise constant
paper-digits: ## paper: 1cycle against piecewise constant on digits, by the default study's runs
paper-headline: ## paper: one at the paper's length, resnet20 on all of CIFAR-10: many hours
paper-images: ## paper: does the gain grow as training images become fewer?
paper-lenet: ## paper: LeNet on MNIST, 1cycle against step decay
paper-lengths: ## paper: 1cycle in fewer steps against longer piecewise constant rates
paper-momentum: ## paper: constant momentum from .8 to .95, and cyclical
paper-norm: ## paper: batch norm's statistics and the length of a run
paper-optimizers: ## paper: Nesterov, AdaGrad, AdaDelta and Adam with and without a cycle
paper-rates: ## paper: the highest rate, from .1 to 3.5
paper-shallow: ## paper: range tests of the shallow net by weight decay
team: ## a team's log answered, into docs/results/team.md; SCALE=small or full
team-annealing: ## team: training accuracy complete before the annealing, and what they would have gained by what they thought of
team-norm: ## team: batch norm momentum .05, .1 and .95, and how the plot jitters
team-range: ## team: rates of up to 20 and 30 without momentum: a second rise?

.PHONY: claims
claims: | $(BIN)/sc-analyze ## paper, team: write docs/results/papers.md and team.md anew from what was found
	@$(call paper_page,paper)
	@$(call paper_page,team)

paper_title_paper := The papers, asked again
paper_title_team := What a team met, answered
# 1: paper or team
paper_index = docs/results/$(patsubst paper,papers,$1).md
paper_page = $(BIN)/sc-analyze claims --all 'pipelines/$1/*.mk' --title '$(paper_title_$1)' --out $(call paper_index,$1)

paper_goals := $(filter paper paper-% team team-%,$(MAKECMDGOALS))
ifneq ($(paper_goals),)
ifeq ($(filter small full,$(SCALE)),)
$(error SCALE=$(strip $(SCALE)): there is no such size of $(firstword $(paper_goals)); did you mean SCALE=small or SCALE=full?)
endif

# 1: at SCALE=small, 2: at SCALE=full
sized = $(if $(filter full,$(SCALE)),$2,$1)
# At least 6: shorter cycles have no room for their phases.
steps = $(if $(filter 1,$(PAPER_SHORTEN)),$1,$(shell n=$$(($1 / $(strip $(PAPER_SHORTEN)))); echo $$((n < 6 ? 6 : n))))

# 10,000 training images, of which most experiments at SCALE=small train on 500; choices are made on 1,000 others.
paper_cifar := cifar10-$(strip $(SCALE))
$(eval $(call prep,$(paper_cifar),$(strip $(PAPER_CIFAR)) $(call sized,--limit-per-class 1000 --limit-test-per-class 300,),))
paper_mnist := $(call sized,mnist5k,mnist-full)
ifeq ($(strip $(SCALE)),full)
$(eval $(call prep,mnist-full,mnist --download,))
endif

# What most experiments share. The net of the papers is resnet56, its batch 1,000 images, its cycle 10,000 steps from .1 to 3.
paper_net := $(call sized,resnet8,resnet56)
paper_batch := --batch-size $(call sized,32,1000)
paper_limit := $(call sized,--train-limit 500,)
paper_cycle := $(call sized,200,10000)
paper_long := $(call sized,800,80000)
paper_max := $(call sized,1,3)
paper_statistics := --bn-momentum 0.05 --bn-reestimate 8
paper_setting := $(paper_batch) $(paper_limit) --augment flip --momentum 0.9 --weight-decay 1e-4 $(paper_statistics)
paper_drops := --schedule piecewise --drop-at 0.5,0.75 --drop-factor 0.1
paper_customary := $(paper_drops) --lr 0.1
paper_shares := $(call sized,0.1:0.1,0.1:0)

# The runs of an experiment. 1: experiment, such as paper-lengths
paper_folder = runs/$1-$(strip $(SCALE))
# 1: experiment, 2: name of the run, 3: program, 4: net, 5: data, 6: seed, 7: flags, 8: file that the rates come from, if any
paper_run = $(eval $(call init_on,$(call init_of,$4,$5,$6),data/$5.safetensors,$6,$4))$(eval $(call \
  run_on,$(call paper_folder,$1)/$2,$3,data/$5.safetensors,$(call init_of,$4,$5,$6),$7 --study $1 --device $(strip $(DEVICE)) $(precision) \
  $(engine),$8))$(eval paper_runs_of_$1 += $(call paper_folder,$1)/$2)

# An arm: a training from every seed. 1: experiment, 2: arm, 3: net, 4: data, 5: steps, 6: flags, 7: file that its rate comes from
paper_trained = $(foreach s,$(PAPER_SEEDS),$(call paper_run,$1,$2-seed$s,sc-train,$3,$4,$s,--arm $2 --iterations $(call steps,$5) \
  --val-from-train $(call part,$(paper_shares),2) --val-every 0 $6,$7))
# The same where curves are looked at. 8: share of validation images, 9: steps between validations
paper_watched = $(foreach s,$(PAPER_SEEDS),$(call paper_run,$1,$2-seed$s,sc-train,$3,$4,$s,--arm $2 --iterations $(call steps,$5) \
  --val-from-train $8 --val-every $9 $6,$7))
# A range test from every seed. 1: experiment, 2: arm, 3: net, 4: data, 5: steps, 6: flags
paper_ramped = $(foreach s,$(PAPER_SEEDS),$(call paper_run,$1,$2-seed$s,sc-rangetest,$3,$4,$s,--arm $2 --no-probe \
  --iterations $(call steps,$5) $6,))

# A rate chosen on validation images. 1: experiment, 2: name, 3: net, 4: data, 5: steps, 6: flags, 7: flag of the rate, 8: rates
paper_choice = $(call paper_folder,$1)/choice-$2.json
paper_chosen = $(foreach r,$8,$(foreach s,$(PAPER_RATE_SEEDS),$(call paper_run,$1,grid-$2-lr$r-seed$s,sc-train,$3,$4,$s,--arm grid \
  --iterations $(call steps,$5) --val-from-train $(call part,$(paper_shares),1) --val-every 0 --validation-only $6 $7 $r,)))$(eval $(call \
  choose,$(call paper_choice,$1,$2),$(foreach r,$8,$(foreach s,$(PAPER_RATE_SEEDS),$(call paper_folder,$1)/grid-$2-lr$r-seed$s))))
# Arms that take it. As paper_trained, but 7: name of the choice
paper_tuned = $(call paper_trained,$1,$2,$3,$4,$5,$6 --choice $(call paper_choice,$1,$7),$(call paper_choice,$1,$7))

# What an experiment ends in: a table of its arms, and a verdict for each claim. 1: paper or team, 2: name
define paper_ends
.PHONY: $1-$2
$1-$2: $(addsuffix /result.json,$(paper_runs_of_$1-$2)) | $(BIN)/sc-analyze
	@$(call paper_page,$1) $(paper_runs_of_$1-$2) --of pipelines/$1/$2.mk --scale $(strip $(SCALE))
endef

# paper-digits is of the runs of the default study: where that is another one, it is left out.
paper_changed := $(strip $(foreach v,DATA NET BATCH LENGTHS SEEDS CUSTOMARY_LENGTHS,$(if $(filter command environment,$(origin $v)),$v)) \
  $(if $(filter full,$(SCALE)),SCALE))
ifneq ($(filter paper-digits,$(MAKECMDGOALS)),)
$(if $(paper_changed),$(error paper-digits is about the default study: leave $(paper_changed) as they are))
endif
# 1: paper or team
paper_known = $(filter-out $(if $(paper_changed),digits),$(basename $(notdir $(sort $(wildcard pipelines/$1/*.mk)))))
paper_asked = $(if $(filter $1,$(MAKECMDGOALS)),$(call paper_known,$1),$(patsubst $1-%,%,$(filter $1-%,$(MAKECMDGOALS))))
paper_unknown := $(strip $(foreach k,paper team,$(addprefix $k-,$(filter-out $(call paper_known,$k),$(call paper_asked,$k)))))
ifneq ($(paper_unknown),)
paper_every := $(foreach k,paper team,$(addprefix $k-,$(call paper_known,$k)))
$(error $(firstword $(paper_unknown)): no such experiment; did you mean make $(call nearest,$(firstword $(paper_unknown)),$(paper_every))? \
  There are $(paper_every))
endif
$(foreach k,paper team,$(foreach x,$(call paper_asked,$k),$(eval include pipelines/$k/$x.mk)$(eval $(call paper_ends,$k,$x))))
paper: $(addprefix paper-,$(call paper_asked,paper))
team: $(addprefix team-,$(call paper_asked,team))
endif
