# Fine-tunes a net that was trained on other pictures: the last layer alone for a short while, then the whole net.
#
#   make finetune DATA=mine SOURCE=~/pictures SIZE=128 NET=resnet18 WEIGHTS=resnet18.safetensors
#
# WEIGHTS is what sc-init --from-torch takes: a state_dict of torchvision, timm or your own, in safetensors or .pth, or the
# model.safetensors of a run. Both stages take their highest rate from a range test around the critical rate; in the second
# it multiplies the rates of all groups (GROUP_RATES), as 1cycle then does.
# Cost: about as much as 1.2 times FINETUNE_ITERATIONS steps of the whole net.

WEIGHTS ?= ## finetune: weights to start from: safetensors or .pth of PyTorch, or a run's model.safetensors
GROUP_RATES ?= 0.01,0.1,1 ## finetune: factors of the rate: stem and first half of the stages, other stages, last layer
HEAD_ITERATIONS ?= 60 ## finetune: steps of the last layer alone
HEAD_RANGE_ITERATIONS ?= 60 ## finetune: steps of the range test of the last layer
FINETUNE_ITERATIONS ?= 200 ## finetune: steps of the whole net
FINETUNE_RANGE_ITERATIONS ?= 100 ## finetune: steps of the range test of the whole net
FINETUNE_SEED ?= 1 ## finetune: seed of the new last layer, and of the order of the pictures

finetune_setting := $(strip $(DATA))_$(strip $(NET))_bs$(strip $(BATCH))
finetune := runs/finetune_$(finetune_setting)
finetune_init := init/$(strip $(NET))_finetune$(if $(train_size),-at$(strip $(TRAIN_SIZE)))_$(strip $(DATA))_seed$(strip $(FINETUNE_SEED)).safetensors
finetune_head := $(finetune)/head/model.safetensors
tuned_rates := --group-rates $(strip $(GROUP_RATES))

ifneq ($(strip $(WEIGHTS)),)
$(finetune_init): $(data_file) $(WEIGHTS) $(call unless_same,$(finetune_init),$(WEIGHTS)) | $(BIN)/sc-init
	@mkdir -p $(@D)
	@$(BIN)/sc-init --net $(strip $(NET)) $(shortcut) --data $(data_file) --from-torch $(strip $(WEIGHTS)) --new-head $(train_size) \
	  --seed $(strip $(FINETUNE_SEED)) --out $@ $(quiet)
	@printf '%s\n' '$(strip $(WEIGHTS))' > $@.args

# 1: folder of the run, 2: program, 3: weights, 4: flags, 5: file that the rates come from, if any
finetune_run = $(eval $(call run_on,$1,$2,$(data_file),$3,$4 --study finetune $(common_flags),$5))

$(call finetune_run,$(finetune)/head-range,sc-rangetest,$(finetune_init),--freeze body \
  --iterations $(strip $(HEAD_RANGE_ITERATIONS)) --arm head-range)
$(eval $(call suggest,$(finetune)/head.json,$(finetune)/head-range))
$(call finetune_run,$(finetune)/head,sc-train,$(finetune_init),--freeze body --schedule 1cycle --suggestion $(finetune)/head.json \
  --iterations $(strip $(HEAD_ITERATIONS)) --arm head,$(finetune)/head.json)
$(finetune_head): $(finetune)/head/result.json ;
$(call finetune_run,$(finetune)/range,sc-rangetest,$(finetune_head),$(tuned_rates) \
  --iterations $(strip $(FINETUNE_RANGE_ITERATIONS)) --arm range)
$(eval $(call suggest,$(finetune)/whole.json,$(finetune)/range))
$(call finetune_run,$(finetune)/whole,sc-train,$(finetune_head),$(tuned_rates) --schedule 1cycle \
  --suggestion $(finetune)/whole.json --iterations $(strip $(FINETUNE_ITERATIONS)) --arm whole,$(finetune)/whole.json)
$(eval $(call report,reports/finetune_$(finetune_setting),$(addprefix $(finetune)/,head-range head range whole),\
  $(finetune)/whole.json,Fine-tuning $(strip $(NET)) on $(strip $(DATA))))
endif

.PHONY: finetune
finetune: $(if $(strip $(WEIGHTS)),reports/finetune_$(finetune_setting)/index.html) ## fine-tune a pretrained net: WEIGHTS=FILE; the last layer, then all, at measured rates
	$(if $(strip $(WEIGHTS)),@:,$(error WEIGHTS is not set; name a state_dict of PyTorch, or the model.safetensors of a run))
