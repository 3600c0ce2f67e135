# Does Winograd's algorithm change what a training run reaches?
#
# Winograd's F(4x4, 3x3), and F(4x4, 5x5) in LeNet and the shallow net, computes a convolution in fewer multiplications and
# rounds differently: single results err by about 1e-6 to 1e-5 of their size, where direct convolution errs by 1e-7 to 1e-6.
# The same runs, seed by seed, with and without it (`--exact-conv`), at a high rate, where errors would grow if they grew.
# Expected: means that differ by less than their standard error; docs/results/winograd.md has what was found.
# Cost: 16 runs of 120 steps, about 2 minutes on 2 cores; make winograd DATA=cifar10 NET=resnet20 WINOGRAD_ITERATIONS=200
# is the same on CIFAR-10, about 7 minutes; make winograd NET=lenet WINOGRAD_MAX_LR=0.05 tries 5x5 kernels.

WINOGRAD_SEEDS ?= 1 2 3 4 5 6 7 8 ## winograd: seeds
WINOGRAD_ITERATIONS ?= 120 ## winograd: steps of each run
WINOGRAD_MAX_LR ?= 0.8 ## winograd: highest rate of 1cycle

winograd_study := winograd_$(setting)
winograd_run = runs/$(winograd_study)/$1-seed$2
winograd_flags = --schedule 1cycle --max-lr $(strip $(WINOGRAD_MAX_LR)) --iterations $(strip $(WINOGRAD_ITERATIONS)) \
  --val-from-train 0 --val-every 0 --study winograd --arm $1
$(foreach s,$(WINOGRAD_SEEDS),$(eval $(call run,$(call winograd_run,direct,$s),sc-train,$s,\
  $(call winograd_flags,direct) --exact-conv,)))
$(foreach s,$(WINOGRAD_SEEDS),$(eval $(call run,$(call winograd_run,winograd,$s),sc-train,$s,\
  $(call winograd_flags,winograd),)))
$(foreach s,$(WINOGRAD_SEEDS),$(eval $(call init,$s)))
$(eval $(call report,reports/$(winograd_study),$(foreach s,$(WINOGRAD_SEEDS),$(call winograd_run,direct,$s) \
  $(call winograd_run,winograd,$s)),,Winograd and direct convolution: $(strip $(NET)) on $(strip $(DATA))))

.PHONY: winograd
winograd: reports/$(winograd_study)/index.html ## compare runs with and without Winograd's algorithm: does it change what they reach?
