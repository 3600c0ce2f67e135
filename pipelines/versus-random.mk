# Does the streamlined search end higher than random search with the same budget over the same choices?
#
# In each setting and with each pair of seeds: a streamlined search, and a random search over batch size, momentum, weight
# decay and highest rate whose draws train on as many images as the
# last run. Both may train on as many images in all, the last run counted; both end by one 1cycle run of the same number
# of images, on all training images. Compared is its test accuracy. Here the streamlined search keeps its longest training,
# so that both last runs are equally long.
# Expected: docs/results/streamline-vs-random.md has what was found.
# Cost: 16 searches of 256,000 images: 13 minutes on 2 cores with make -j2 THREADS=1.
# CIFAR-10 comes from RULE_CIFAR, as in rule-bench: 5,000 images of it.

VERSUS_BUDGET ?= 4000it ## streamline-vs-random: budget of each search, in steps of its first batch size
VERSUS_SEEDS ?= 11 21 ## streamline-vs-random: first seeds of the searches; each uses the next number too

# data:net:batch:optimizer:momentum:weight decay, where the searches start
VERSUS_SETTINGS := \
  mnist5k:lenet:64:sgd:0.9:5e-4 \
  mnist5k:resnet8:64:sgd:0.9:1e-4 \
  cifar5k:shallow:64:sgd:0.9:1e-3 \
  cifar5k:resnet8:64:sgd:0.9:1e-4

ifneq ($(filter streamline-vs-random%,$(MAKECMDGOALS)),)
versus_folder := runs/streamline-vs-random
$(if $(filter rule-bench%,$(MAKECMDGOALS)),,$(eval $(call prep,cifar5k,$(strip $(RULE_CIFAR)) --limit-per-class 500 --limit-test-per-class 50,)))

versus_data = data/$(call part,$1,1).safetensors
versus_init = $(call init_of,$(call part,$1,2),$(call part,$1,1),$2)
versus_of = $(versus_folder)/$(call part,$1,1)_$(call part,$1,2)_seed$2
versus_pair = $1 $(shell echo $$(($1 + 1)))
versus_flags = --batch-size $(call part,$1,3) --optimizer $(call part,$1,4) --momentum $(call part,$1,5) \
  --weight-decay $(call part,$1,6) --bn-reestimate 4
# 1: setting, 2: folder, 3: step, 4: recipe before, 5: recipe after, 6: seeds, 7: further flags, 8: further files
versus_step = $(call search_step,$2/$3,$3,$2/$4.json,$2/$5.json,$(call versus_data,$1),$(call versus_init,$1,SEED),$6,$7,$8)
# 1: setting, 2: folder, 3: arm, 4: seed
versus_last = $(call run_on,$2/$3-last,sc-train,$(call versus_data,$1),$(call versus_init,$1,$4),--recipe $2/$3.json \
  --val-from-train 0 --val-every 0 --study streamline-vs-random --arm $3,$2/$3.json)

# 1: setting, 2: folder, 3: seeds
define versus_search
$(foreach s,$3,$(eval $(call init_on,$(call versus_init,$1,$s),$(call versus_data,$1),$s,$(call part,$1,2))))
$(eval $(call run_on,$2/calibration,sc-train,$(call versus_data,$1),$(call versus_init,$1,$(firstword $3)),$(calibration_flags) $(call versus_flags,$1),))
$(eval $(call search_start,$2,$(strip $(VERSUS_BUDGET))))
$(eval $(call versus_step,$1,$2,batch-size,start,1-batch-size,$3))
$(eval $(call versus_step,$1,$2,momentum,1-batch-size,2-momentum,$3))
$(eval $(call versus_step,$1,$2,weight-decay,2-momentum,3-weight-decay,$3))
$(eval $(call versus_step,$1,$2,rate,3-weight-decay,4-rate,$3))
$(eval $(call versus_step,$1,$2,length,4-rate,streamlined,$3,--longest))
$(eval $(call versus_last,$1,$2,streamlined,$(firstword $3)))
$(eval $(call versus_step,$1,$2,random,start,random,$3,--like $2/streamlined.json,$2/streamlined.json))
$(eval $(call versus_last,$1,$2,random,$(firstword $3)))
endef

$(foreach t,$(VERSUS_SETTINGS),$(foreach s,$(VERSUS_SEEDS),$(call versus_search,$t,$(call versus_of,$t,$s),$(call versus_pair,$s))))
versus_runs := $(foreach t,$(VERSUS_SETTINGS),$(foreach s,$(VERSUS_SEEDS),$(addprefix $(call versus_of,$t,$s)/,streamlined-last random-last)))

.PHONY: streamline-vs-random
streamline-vs-random: $(addsuffix /result.json,$(versus_runs)) | $(BIN)/sc-analyze ## compare the streamlined search with random search at the same budget, into docs/results/
	@$(BIN)/sc-analyze table $(versus_runs) --vary any --csv > docs/results/.versus.csv
	@mv docs/results/.versus.csv docs/results/streamline-vs-random.csv
	@awk -v names='$(strip $(VERSUS_SETTINGS))' -v each=$(words $(VERSUS_SEEDS)) -f pipelines/versus-random.awk docs/results/streamline-vs-random.csv
endif
