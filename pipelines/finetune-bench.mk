# Does the rule for the highest rate hold in fine-tuning?
#
# Three nets are trained on five classes of CIFAR-10 (1,000 steps of 64 images), and tuned to the other five (200 or 50 pictures of
# each class), to digits (resnet8, bottleneck11), and to photographs: a new last layer alone, then the whole net at a multiplier of three groups' rates. In each of
# eleven settings: the rule's multiplier against a grid, two seeds, by test accuracy; and fastai's constants beside it.
# FINETUNE_SETTINGS asks the same of other nets, such as resnet18 with weights of torchvision.
# Cost: 11 x 2 x 12 runs of at most 150 steps of 32 images: half an hour on 2 cores, by estimate. It prints a table, a line a setting.

FINETUNE_SETTINGS ?= ## finetune-bench: NAME,NET,WEIGHTS,DATA for each pretrained net and the data that it is tuned to
FINETUNE_SEEDS ?= 1 2 ## finetune-bench: seeds of the new last layer and of the order

ifneq ($(filter finetune-bench%,$(MAKECMDGOALS)),)
ifeq ($(strip $(FINETUNE_SETTINGS)),)
$(eval $(call prep,tune-from,$(strip $(RULE_CIFAR)) --only airplane$(,)bird$(,)frog$(,)horse$(,)truck,))
$(eval $(call prep,tune-other,$(strip $(RULE_CIFAR)) --only automobile$(,)cat$(,)deer$(,)dog$(,)ship --limit-per-class 200 --limit-test-per-class 1000,))
$(eval $(call prep,tune-few,$(strip $(RULE_CIFAR)) --only automobile$(,)cat$(,)deer$(,)dog$(,)ship --limit-per-class 50 --limit-test-per-class 1000,))
$(if $(filter rule%,$(MAKECMDGOALS)),,$(eval $(call prep,photos,$(strip $(RULE_PICTURES)) --size 32,)))

# net:highest rate
tune_nets := resnet8:0.3 bottleneck11:0.1 shallow:0.01
tune_model = runs/finetune-bench-nets/$1/model.safetensors
$(foreach n,$(tune_nets),$(eval $(call init_on,$(call init_of,$(call part,$n,1),tune-from,1),data/tune-from.safetensors,1,$(call part,$n,1)))\
$(eval $(call run_on,runs/finetune-bench-nets/$(call part,$n,1),sc-train,data/tune-from.safetensors,$(call init_of,$(call part,$n,1),tune-from,1),\
  --schedule 1cycle --max-lr $(call part,$n,2) --iterations 1000 --batch-size 64 --augment crop-flip --bn-reestimate 4 --val-every 0 --study finetune-bench,))\
$(eval $(call tune_model,$(call part,$n,1)): runs/finetune-bench-nets/$(call part,$n,1)/result.json ;))

# net:data
tune_pairs := $(foreach n,resnet8 bottleneck11 shallow,$(addprefix $n:,tune-other tune-few photos)) resnet8:mnist5k-few bottleneck11:mnist5k-few
tune_settings = $(foreach p,$(tune_pairs),$(call part,$p,1)-$(call part,$p,2)$(,)$(call part,$p,1)$(,)$(call tune_model,$(call part,$p,1))$(,)data/$(call part,$p,2).safetensors)
finetune-bench: $(foreach p,$(tune_pairs),$(call tune_model,$(call part,$p,1)) data/$(call part,$p,2).safetensors)
endif
endif

.PHONY: finetune-bench
finetune-bench: | $(PROGRAMS) ## measure the rule's regret in fine-tuning against a grid and fastai's constants
	@python3 pipelines/finetune_bench.py $(or $(strip $(FINETUNE_SETTINGS)),$(tune_settings)) --programs $(BIN) \
	  --seeds $(strip $(FINETUNE_SEEDS))
