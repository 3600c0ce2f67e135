# Deeper nets.
#
# question: Does super-convergence appear at every depth?
# published: Smith and Topin (arXiv 1708.07120): ResNet-20 90.4 against 88.6, ResNet-56 92.4 against 91.2, ResNet-110 92.1 against 91.0.
# cost: small 12 runs, 192,000 images: 2 minutes of one core by 1,280 images/s; full 18 runs, 810 million
#
# Arms: at each depth 1cycle, and the customary piecewise rate for 4 times (full: 8 times) the steps.
#
# claim: The shallowest net ends higher by 1cycle.
#   published: ResNet-20: +1.8 points
#   holds if: 1cycle-shallow > customary-shallow
# claim: A deeper one does too.
#   published: ResNet-56: +1.2 points
#   holds if: 1cycle-deep > customary-deep
# claim: The deepest does too.
#   published: ResNet-110: +1.1 points
#   at: full
#   holds if: 1cycle-deepest > customary-deepest

# name:net
depth_nets := $(call sized,shallow:resnet8 deep:resnet20,shallow:resnet20 deep:resnet56 deepest:resnet110)
$(foreach n,$(depth_nets),\
  $(call paper_trained,paper-depth,1cycle-$(call part,$n,1),$(call part,$n,2),$(paper_cifar),$(paper_cycle),$(paper_setting) \
    --schedule 1cycle --max-lr $(paper_max),)\
  $(call paper_trained,paper-depth,customary-$(call part,$n,1),$(call part,$n,2),$(paper_cifar),$(paper_long),$(paper_setting) \
    $(paper_customary),))
