# A team's batch norm: momentum .1, .95 and .05.
#
# question: Does batch norm's momentum make their plot of accuracy jitter?
# published: A team's log (ResNet-56, CIFAR-10, batch 1,024 and 256): momentum .1, .95 (in PyTorch's sense: the weight of the new batch) and .05;
#   "the plot becomes much less jittery".
# cost: small 12 runs, 77,000 images: a minute of one core by 1,280 images/s; full 12 runs, 15 million
#
# Arms: one training, its accuracy on 500 validation images measured some 70 times: by running statistics of momentum .95, .1 and .05, and by
# statistics re-estimated over 4 training batches. `jitter` is the mean step from one measurement to the next, in points.
#
# claim: With momentum .95 the plot jitters more than with .1.
#   published: .95 was tried in place of .1
#   holds if: jitter of momentum-0.95 > jitter of momentum-0.1
#   why: .95 keeps a twentieth of the past: an evaluation then rests on hardly more than one batch. They took the paper's moving_average_fraction for PyTorch's momentum, which is 1 minus it.
# claim: With momentum .05 it jitters less than with .1.
#   published: "much less jittery"
#   holds if: jitter of momentum-0.05 < jitter of momentum-0.1
#   why: The memory of .05 is twice as long; but where the weights move fast, a longer memory holds statistics of weights that are gone, and the plot is then low, or jitters by that.
# claim: With re-estimated statistics it jitters less than with any of them.
#   published: not tried
#   holds if: jitter of reestimated < jitter of momentum-0.1
#   why: They are of the weights at that moment, over several batches; what still jitters is the net.
# claim: The final accuracy is the same: the training does not see the running statistics.
#   published: not said
#   holds if: momentum-0.05 = reestimated
#   why: Batch norm trains by its batch; at the end the rate is low, the weights stand still, and all memories hold the same.

norm_team := $(call sized,--batch-size 32 --train-limit 500,--batch-size 1024) --augment none --momentum 0.95 --weight-decay 1e-9 --schedule 1cycle \
  --max-lr $(call sized,0.5,1)
norm_every := $(call steps,$(call sized,3,15))
norm_arm = $(call paper_watched,team-norm,$1,$(paper_net),$(paper_cifar),$(call sized,200,1200),$(norm_team) $2,,$(call sized,0.05,0.1),$(norm_every))
$(foreach m,0.95 0.1 0.05,$(call norm_arm,momentum-$m,--bn-momentum $m --bn-reestimate 0))
$(call norm_arm,reestimated,--bn-momentum 0.1 --bn-reestimate 4)
