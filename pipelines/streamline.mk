# Which batch size, momentum, weight decay, rate and length, on any data and net, for a given budget?
#
# Smith's recipe (arXiv:1803.09820) in his order: batch size at equal time, momentum (constant and cycling), weight decay
# (a grid in exponents, then bisected), the highest rate by the rule, the cycle, and the shortest training that is as
# good as the longest. Every choice is made on validation images; the last run trains on all of them and is the only
# one that sees the test set. It ends with a report of every decision and with recipe.json, which `sc-train --recipe` takes.
# Each step asks `sc-search next` what to run until there is nothing left to run: a search that was stopped goes on.
# Expected on the defaults: docs/streamline.md shows what was found, and how it compares with random search.
# Cost: BUDGET, in time or in steps of BATCH images. A test made alone takes the share that it has in the search.

BUDGET ?= 4m ## streamline: what the search may take in all: 90s, 10m, 1h, or 5000it (steps of BATCH images)

budget_number := $(patsubst %it,%,$(patsubst %h,%,$(patsubst %m,%,$(patsubst %s,%,$(strip $(BUDGET))))))
ifeq ($(call is_count,$(subst .,,$(budget_number))),)
$(error BUDGET=$(strip $(BUDGET)): a time or a number of steps is wanted, such as 90s, 10m, 1h or 5000it)
endif
ifeq ($(budget_number),$(strip $(BUDGET)))
$(error BUDGET=$(strip $(BUDGET)) has no unit; did you mean BUDGET=$(budget_number)m (minutes) or BUDGET=$(budget_number)it (steps)?)
endif

SEARCH_SEEDS ?= 1 2 ## streamline: seeds: all candidates run with the first, the better half with the next, and so on
SEARCH_VALIDATION ?= $(if $(filter undefined,$(origin SEARCH_HELD_OUT)),0.2,$(SEARCH_HELD_OUT)) ## streamline: share of the training images that choices are made on
KEEP_LONGEST ?= ## streamline: 1 to train as long as the budget allows, even where fewer steps are as good

# 1: folder, 2: budget
define search_start
$1/start.json: $1/calibration/result.json $(call unless_same,$1/start.json,$2) | $(BIN)/sc-search
	@$(BIN)/sc-search start $1/calibration --budget $2 --out $$@
	@printf '%s\n' '$(strip $2)' > $$@.args
endef

# A step may need many runs, and what they find decides which: pipelines/search-step asks and runs them.
# 1: folder of the runs, 2: step, 3: recipe before, 4: recipe after, 5: data file, 6: files of initial weights with
# SEED in place of the seed, 7: seeds, 8: further flags of the step, 9: further files it reads
define search_step
$4: $3 $5 $9 $(foreach s,$7,$(subst SEED,$s,$6)) $(call unless_same,$4,$2 $3 $7 $8) | $(BIN)/sc-search $(addprefix $(RUN_BIN)/sc-,rangetest train probe)
	$(need_libraries)
	@pipelines/search-step $(BIN) $(RUN_BIN) --data $5 --device $(strip $(DEVICE)) $(engine) $(threads) $(quiet) -- \
	  $2 --recipe $3 --init $(subst SEED,%,$6) --seeds $(subst $() ,$(,),$(strip $7)) --runs $1 $8 --out $$@
	@printf '%s\n' '$(strip $2 $3 $7 $8)' > $4.args
endef

# 1: folder of the report, 2: recipe, 3: folders of the runs made with it, 4: title
define search_report
$1/index.html: $2 $(addsuffix /result.json,$3) $(call unless_same,$1,$2 $3 $4) | $(BIN)/sc-analyze
	@$(BIN)/sc-analyze report --recipe $2 $3 --title '$(strip $4)' --out $1
	@printf '%s\n' '$(strip $2 $3 $4)' > $1.args
endef

search_flags := --study streamline --val-from-train $(strip $(SEARCH_VALIDATION)) --val-every 0 --validation-only
calibration_flags := --schedule 1cycle --max-lr 1e-3 --iterations 12 --arm calibration $(search_flags)

stream_folder := runs/streamline_$(setting)
stream_init := $(call init_file,SEED)
stream_step = $(call search_step,$(stream_folder)/$1,$1,$(stream_folder)/$2.json,$(stream_folder)/$3.json,$(data_file),$(stream_init),$(SEARCH_SEEDS),$4,)
stream_title = $1: $(strip $(NET)) on $(strip $(DATA))
longest := $(if $(strip $(KEEP_LONGEST)),--longest)

$(foreach s,$(SEARCH_SEEDS),$(eval $(call init,$s)))
$(eval $(call run,$(stream_folder)/calibration,sc-train,$(firstword $(SEARCH_SEEDS)),$(calibration_flags)))
$(eval $(call search_start,$(stream_folder),$(strip $(BUDGET))))
$(eval $(call stream_step,batch-size,start,1-batch-size))
$(eval $(call stream_step,momentum,1-batch-size,2-momentum))
$(eval $(call stream_step,weight-decay,2-momentum,3-weight-decay))
$(eval $(call stream_step,rate,3-weight-decay,4-rate))
$(eval $(call stream_step,length,4-rate,recipe,$(longest)))
$(eval $(call run_on,$(stream_folder)/last,sc-train,$(data_file),$(call init_file,$(firstword $(SEARCH_SEEDS))),\
  --recipe $(stream_folder)/recipe.json --val-from-train 0 --val-every 0 --study streamline --arm 1cycle \
  --device $(strip $(DEVICE)) $(engine),$(stream_folder)/recipe.json))
$(eval $(call search_report,reports/streamline_$(setting),$(stream_folder)/recipe.json,$(stream_folder)/last,\
  $(call stream_title,Streamlined search)))

# Alone, momentum and weight decay are tested in the setting that the variables describe.
stream_alone = $(call search_step,$(stream_folder)/$1-alone,$1,$(stream_folder)/start.json,$(stream_folder)/$1-alone.json,$(data_file),$(stream_init),$(SEARCH_SEEDS),,)
$(eval $(call stream_alone,momentum))
$(eval $(call stream_alone,weight-decay))
$(eval $(call search_report,reports/batch-size-test_$(setting),$(stream_folder)/1-batch-size.json,,$(call stream_title,Batch size test)))
$(eval $(call search_report,reports/momentum-test_$(setting),$(stream_folder)/momentum-alone.json,,$(call stream_title,Momentum test)))
$(eval $(call search_report,reports/weight-decay-test_$(setting),$(stream_folder)/weight-decay-alone.json,,$(call stream_title,Weight decay test)))

.PHONY: streamline batch-size-test momentum-test weight-decay-test
streamline: reports/streamline_$(setting)/index.html ## the whole search within BUDGET: batch size, momentum, weight decay, rate, length; a report, a recipe
batch-size-test: reports/batch-size-test_$(setting)/index.html ## compare batch sizes at equal time, with the gradient noise scale
momentum-test: reports/momentum-test_$(setting)/index.html ## compare constant momentum from .8 to .99 and cyclical momentum
weight-decay-test: reports/weight-decay-test_$(setting)/index.html ## compare weight decays on a grid in exponents, bisected
