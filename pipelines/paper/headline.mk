# One at the paper's length: resnet20 on all of CIFAR-10.
#
# question: Does 1cycle for 30 epochs end as high as a tuned piecewise constant rate for 30, 60 and 120?
# published: Smith and Topin (arXiv 1708.07120): ResNet-20 90.4 in 10,000 steps of 1cycle, 88.6 in 80,000 piecewise; batch 1,000.
# cost: small and full alike: 12 runs, 36 million images; PAPER_SEEDS=1 runs a third
#
# Arms: crop and flip, batch 128; 1cycle for 30 epochs; piecewise constant at .1 for 30, 60 and 120 epochs.
#
# claim: 30 epochs of 1cycle end higher than 30 of the customary rate.
#   published: not asked
#   holds if: 1cycle > customary-30
# claim: They end higher than 120 of the customary rate.
#   published: 90.4 against 88.6, in an eighth of the steps
#   holds if: 1cycle > customary-120

headline_data := cifar10-full
ifneq ($(paper_cifar),$(headline_data))
$(eval $(call prep,$(headline_data),$(strip $(PAPER_CIFAR)),))
endif
headline_setting := --batch-size 128 --augment crop-flip --momentum 0.9 --weight-decay 5e-4 --bn-reestimate 8
# 390 steps an epoch. 1: arm, 2: steps, 3: flags
headline_arm = $(call paper_watched,paper-headline,$1,resnet20,$(headline_data),$2,$(headline_setting) $3,,0,0)
$(call headline_arm,1cycle,11700,--schedule 1cycle --max-lr 0.5)
$(call headline_arm,customary-30,11700,$(paper_customary))
$(call headline_arm,customary-60,23400,$(paper_customary))
$(call headline_arm,customary-120,46800,$(paper_customary))
