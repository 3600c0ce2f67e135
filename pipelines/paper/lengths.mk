# Super-convergence: 1cycle in fewer steps against longer piecewise constant rates.
#
# question: Does 1cycle end higher than a piecewise constant rate that trains for many times as many steps?
# published: Smith and Topin (arXiv 1708.07120), table 1 and section on lengths; ResNet-56, CIFAR-10, batch 1,000; one run each.
# cost: small 30 runs, 298,000 images: 4 minutes of one core by 1,280 images/s; full 37 runs, 802 million
#
# Arms: 1cycle at half and once the steps (full: also twice), its highest rate the best of a grid; piecewise constant (drops by 10 at 50%
# and 75%) at the customary rate, 0.1, for `long` (small: 4 times, full: 8 times) the steps, and at the best rate of a grid for once and
# `long` the steps; a linear decay to zero at that rate, without which a gain could not be put down to the cycle.
#
# claim: 1cycle ends higher than the customary rate after 4 times the steps (full: 8 times).
#   published: 92.4 against 91.2 (50,000 images), 80.6 against 71.4 (10,000)
#   holds if: 1cycle > customary-long
# claim: It ends higher than a tuned piecewise rate after 4 times the steps (full: 8 times).
#   published: no tuned baseline; one reproduction's reached 93.7 (50,000 images) and 81.7 (10,000)
#   holds if: 1cycle > tuned-long
# claim: Half the steps of 1cycle end as high as the customary rate after 8 times as many (full: 20 times), or higher.
#   published: 91.1 after 4,000 steps, 91.2 after 80,000
#   holds if: 1cycle-half > customary-long - 0.5
# claim: Twice the steps bring 1cycle a little more.
#   published: 92.7 after 20,000 steps, 92.4 after 10,000
#   at: full
#   holds if: 1cycle-double > 1cycle
# claim: The tuned piecewise rate gains by more steps: it is not saturated at the steps of 1cycle.
#   published: not given
#   holds if: tuned-long > tuned-once
# claim: It is the cycle: 1cycle ends higher than a linear decay of as many steps.
#   published: not asked
#   holds if: 1cycle > linear

# Rates are chosen at the length of `1cycle`.
$(call paper_chosen,paper-lengths,1cycle,$(paper_net),$(paper_cifar),$(paper_cycle),$(paper_setting) --schedule 1cycle,--max-lr,\
  $(call sized,0.5 1 2,0.5 1 2 3))
$(call paper_chosen,paper-lengths,piecewise,$(paper_net),$(paper_cifar),$(paper_cycle),$(paper_setting) $(paper_drops),--lr,\
  $(call sized,0.1 0.2 0.4,0.1 0.2 0.35 0.7))
# name:steps
lengths_cycles := $(call sized,1cycle-half:100 1cycle:200,1cycle-half:4000 1cycle:10000 1cycle-double:20000)
lengths_pieces := once:$(paper_cycle) long:$(paper_long)
$(foreach a,$(lengths_cycles),$(call paper_tuned,paper-lengths,$(call part,$a,1),$(paper_net),$(paper_cifar),$(call part,$a,2),\
  $(paper_setting) --schedule 1cycle,1cycle))
$(call paper_trained,paper-lengths,customary-long,$(paper_net),$(paper_cifar),$(paper_long),$(paper_setting) $(paper_customary),)
$(foreach a,$(lengths_pieces),$(call paper_tuned,paper-lengths,tuned-$(call part,$a,1),$(paper_net),$(paper_cifar),$(call part,$a,2),\
  $(paper_setting) $(paper_drops),piecewise))
$(call paper_tuned,paper-lengths,linear,$(paper_net),$(paper_cifar),$(paper_cycle),$(paper_setting) --schedule poly,piecewise)
