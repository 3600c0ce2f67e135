# Cyclical rates: triangular, triangular2 and exp_range.
#
# question: Does a cyclical rate reach in fewer steps what a fixed one reaches, and which shape ends higher?
# published: Smith (arXiv 1506.01186), CIFAR-10, Caffe's quick net: fixed 81.4 in 70,000 steps, triangular2 81.4 in 25,000, decay alone 78.5
#   in 25,000, exp_range 82.2 in 42,000 against exp 79.1 in 70,000.
# cost: small 23 runs, 1.6 million images; full 23 runs, 71 million
#
# Arms: the shallow net; a fixed rate that drops at 86% and 93%, the best of a grid; three cycles of triangular, triangular2 and exp_range
# from a quarter of it, in 36% of the steps; the same fixed rate in as many steps.
#
# claim: triangular2 in 36% of the steps ends as high as the fixed rate.
#   published: 81.4 in 25,000 steps and in 70,000
#   holds if: triangular2 = fixed
# claim: It ends higher than a rate that only decays, in as many steps.
#   published: 81.4 against 78.5
#   holds if: triangular2 > fixed-short
# claim: exp_range ends higher than triangular.
#   published: exp_range 82.2 in 42,000 steps; triangular not given
#   holds if: exp-range > triangular

cycles_setting := $(call sized,--batch-size 64 --train-limit 4000,--batch-size 100) --augment none --momentum 0.9 --weight-decay $(call sized,4e-3,4e-3)
cycles_fixed := --schedule piecewise --drop-at 0.86,0.93 --drop-factor 0.1
cycles_long := $(call sized,2520,70000)
cycles_short := $(call sized,900,25200)
cycles_between := --min-lr $(call sized,0.0025,0.001) --max-lr $(call sized,0.01,0.006) --step-size $(call steps,$(call sized,150,4200))
$(call paper_chosen,paper-cycles,fixed,shallow,$(paper_cifar),$(cycles_short),$(cycles_setting) $(cycles_fixed),--lr,0.0025 0.005 0.01 0.02)
$(call paper_tuned,paper-cycles,fixed,shallow,$(paper_cifar),$(cycles_long),$(cycles_setting) $(cycles_fixed),fixed)
$(call paper_tuned,paper-cycles,fixed-short,shallow,$(paper_cifar),$(cycles_short),$(cycles_setting) $(cycles_fixed),fixed)
$(call paper_trained,paper-cycles,triangular,shallow,$(paper_cifar),$(cycles_short),$(cycles_setting) $(cycles_between) --schedule triangular,)
$(call paper_trained,paper-cycles,triangular2,shallow,$(paper_cifar),$(cycles_short),$(cycles_setting) $(cycles_between) --schedule triangular2,)
$(call paper_trained,paper-cycles,exp-range,shallow,$(paper_cifar),$(cycles_short),$(cycles_setting) $(cycles_between) --schedule exp-range \
  --gamma $(call sized,0.998,0.99994),)
