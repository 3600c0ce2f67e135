# Does the streamlined search end higher than its rivals with the same budget?
#
# In each setting and with each pair of seeds five arms may train on as many images in all, the last run counted, and each ends
# with one 1cycle run on all training images, whose test accuracy is compared:
#   streamlined    batch size, momentum, weight decay, rate; here it keeps its longest training
#   random         draws from wide ranges over the same choices, each trained on as many images as the streamlined search's last run
#   random-around  a range test of the given setting, then draws around it and its rate: many short ones, the best of them in full
#   rate-grid      the given setting at four customary rates
#   whole          the given setting at its range test's rate: all that is left goes into the last run
# The draws depend on the setting as well as on the seed. Seeds are not shared between pairs.
# Expected: docs/results/streamline-vs-random.md has what an earlier form of the study found; this one awaits its run.
# Cost: 60 searches of 256,000 images: an hour on 2 cores with make -j2 THREADS=1, by estimate.
# CIFAR-10 comes from RULE_CIFAR, as in rule-bench: 5,000 training images of it, and all its test images.

VERSUS_BUDGET ?= 4000it ## streamline-vs-random: budget of each search, in steps of its first batch size
VERSUS_SEEDS ?= 11 21 31 41 ## streamline-vs-random: first seeds of the searches; each uses the next number too

# data:net:batch:optimizer:momentum:weight decay, where the searches start
VERSUS_SETTINGS := \
  mnist5k:lenet:64:sgd:0.9:5e-4 \
  cifar5k-wide:lenet:64:adamw:0.9:1e-2 \
  cifar5k-wide:shallow:64:sgd:0.9:1e-3

ifneq ($(filter streamline-vs-random%,$(MAKECMDGOALS)),)
versus_folder := runs/streamline-vs-random
$(eval $(call prep,cifar5k-wide,$(strip $(RULE_CIFAR)) --limit-per-class 500,))
versus_arms := streamlined random random-around rate-grid whole

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
$(eval $(call versus_step,$1,$2,random,start,random,$3,--like $2/streamlined.json,$2/streamlined.json))
$(eval $(call search_step,$2/given-rate,rate,$2/start.json,$2/given.json,$(call versus_data,$1),$(call versus_init,$1,SEED),$3,,))
$(eval $(call versus_step,$1,$2,random-around,given,random-around,$3,--like $2/streamlined.json,$2/streamlined.json))
$(eval $(call versus_step,$1,$2,rate-grid,start,rate-grid,$3))
$(eval $(call versus_step,$1,$2,whole,given,whole,$3))
$(foreach arm,$(versus_arms),$(eval $(call versus_last,$1,$2,$(arm),$(firstword $3))))
endef

$(foreach t,$(VERSUS_SETTINGS),$(foreach s,$(VERSUS_SEEDS),$(call versus_search,$t,$(call versus_of,$t,$s),$(call versus_pair,$s))))
versus_runs := $(foreach t,$(VERSUS_SETTINGS),$(foreach s,$(VERSUS_SEEDS),$(foreach arm,$(versus_arms),$(call versus_of,$t,$s)/$(arm)-last)))

.PHONY: streamline-vs-random
streamline-vs-random: $(addsuffix /result.json,$(versus_runs)) | $(BIN)/sc-analyze ## compare the streamlined search with its rivals at the same budget, into docs/results/
	@$(BIN)/sc-analyze table $(versus_runs) --vary any --csv > docs/results/.versus.csv
	@mv docs/results/.versus.csv docs/results/streamline-vs-random.csv
	@awk -v names='$(strip $(VERSUS_SETTINGS))' -v arms='$(versus_arms)' -v each=$(words $(VERSUS_SEEDS)) -f pipelines/versus-random.awk docs/results/streamline-vs-random.csv
endif
