# A team's range tests: rates to 20 at batch 256, and to 30 at batch 1,024, without momentum and weight decay.
#
# question: Is there a second rise of accuracy at rates beyond the collapse, and is it one of the net or of batch norm's statistics?
# published: A team's log (ResNet-56, CIFAR-10): at rates of 12 to 30 accuracy collapsed to chance and rose again, their third outcome.
# cost: small 12 runs, 276,000 images: 4 minutes of one core by 1,280 images/s; full 12 runs, 15 million
#
# Arms: linear range tests to 20 at batch 256 and to 30 at batch 1,024, momentum 0, weight decay 0; validation accuracy by running statistics,
# and by re-estimated ones. `rebound` is how far above chance accuracy rises after it had learned (10 points above chance) and then fallen to
# within 2 points of chance; 0 where it never did.
#
# claim: At batch 256 accuracy by running statistics collapses and rises again.
#   published: the third outcome
#   holds if: rebound of running-256 > 5
#   why: Running statistics lag behind weights that a high rate moves far: accuracy falls to chance while the net still tells its training batches apart.
# claim: It does so at batch 1,024.
#   published: the third outcome, at rates of 12 to 30
#   holds if: rebound of running-1024 > 5
#   why: As at batch 256.
# claim: By re-estimated statistics it does too: the second rise is the net's.
#   published: not asked
#   holds if: rebound of reestimated-1024 > 5
#   why: If it does not, the rise was one of the statistics and not of the net.
# claim: At the highest rates the net still knows something, by re-estimated statistics.
#   published: not asked
#   holds if: end of reestimated-1024 > 15
#   why: Without weight decay the weights that batch norm scales grow with every step, and the effective rate falls: a high rate can tame itself.

# batch:steps:highest rate
range_tests := $(call sized,256:60:20 1024:30:30,256:2000:20 1024:2000:30)
range_flags = --batch-size $(call part,$1,1) --augment none --momentum 0 --weight-decay 0 --scale linear --min-lr 0 --max-lr $(call part,$1,3) \
  --val-from-train $(call sized,0.05,0.1) --val-every $(call steps,$(call sized,1,20))
$(foreach t,$(range_tests),\
  $(call paper_ramped,team-range,running-$(call part,$t,1),$(paper_net),$(paper_cifar),$(call part,$t,2),$(call range_flags,$t) --bn-reestimate 0)\
  $(call paper_ramped,team-range,reestimated-$(call part,$t,1),$(paper_net),$(paper_cifar),$(call part,$t,2),$(call range_flags,$t) \
    --bn-reestimate $(call sized,2,4)))
