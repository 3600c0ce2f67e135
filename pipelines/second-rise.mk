# Is there a second rise, and is it real?
#
# A team saw accuracy collapse to chance and rise again at rates of 12 to 30 (ResNet-56, CIFAR-10, batch 1024, momentum 0,
# no weight decay), and could not tell whether it was learning. The same at small size: linear range tests to a rate of 60
# at momentum 0 without weight decay, nets with batch norm each measured twice, by running statistics and by re-estimated ones,
# with the training loss of every batch beside them. Training is the same in both; what differs is how accuracy is measured.
# Expected: docs/results/second-rise.md has what was found.
# Cost: 8 range tests of 200 steps, 9 minutes on one core.

RISE_MAX_LR ?= 60 ## second-rise: the highest rate
RISE_ITERATIONS ?= 200 ## second-rise: steps of a range test
RISE_BATCH ?= 512 ## second-rise: images per step

# net:statistics that validation accuracy is measured by
rise_cases := resnet8:running resnet8:reestimated resnet20:running resnet20:reestimated \
  bottleneck11:running bottleneck11:reestimated lenet:none shallow:none

rise_folder := runs/second-rise_$(strip $(DATA))
rise_net = $(call part,$1,1)
rise_init = $(call init_of,$(rise_net),$(strip $(DATA)),1)
rise_run = $(rise_folder)/$(rise_net)-$(call part,$1,2)
rise_flags = --study second-rise --arm $(subst :,-,$1) --scale linear --min-lr 0 --max-lr $(strip $(RISE_MAX_LR)) \
  --iterations $(strip $(RISE_ITERATIONS)) --batch-size $(strip $(RISE_BATCH)) --momentum 0 --weight-decay 0 \
  --val-from-train 0.1 --val-every 4 --bn-reestimate $(if $(filter reestimated,$(call part,$1,2)),4,0)
rise_runs := $(foreach c,$(rise_cases),$(call rise_run,$c))
$(foreach c,$(rise_cases),$(eval $(call init_on,$(call rise_init,$c),$(data_file),1,$(call rise_net,$c)))\
  $(eval $(call run_on,$(call rise_run,$c),sc-rangetest,$(data_file),$(call rise_init,$c),$(call rise_flags,$c),)))

.PHONY: second-rise
second-rise: $(addsuffix /result.json,$(rise_runs)) | $(BIN)/sc-analyze ## look for a collapse and a second rise at rates of up to 60: learning or artefact?
	@$(foreach r,$(rise_runs),printf '%s: ' $(notdir $r); { $(BIN)/sc-analyze suggest $r --json 2> /dev/null | \
	  sed -n 's/^ *"outcome": "\([a-z-]*\)".*/\1/p'; } || echo 'diverged before a dozen rates were tried';)
	@awk -v every=$$(($(strip $(RISE_ITERATIONS)) / 10)) -f pipelines/second-rise.awk \
	  $(addsuffix /metrics.jsonl,$(rise_runs))
