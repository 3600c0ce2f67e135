# Other optimizers, with and without a cycle.
#
# question: Which optimizers show super-convergence under a cycle?
# published: Smith and Topin (arXiv 1708.07120): piecewise constant none; with a cycle Nesterov (92.1 in 10,000 steps against 90.9 in
#   80,000), AdaDelta and AdaGrad do, Adam does not. Piecewise by the author's logs: AdaDelta 71.0, AdaGrad 83.7, Adam 87.1.
# cost: small 72 runs, 538,000 images: 7 minutes of one core by 1,280 images/s; full 72 runs, 1560 million
#
# Arms: each optimizer by 1cycle, and piecewise constant for twice (full: 8 times) the steps; every rate the best of a grid of its own.
#
# claim: Nesterov's momentum ends higher with a cycle than piecewise in twice the steps (full: 8 times).
#   published: 92.1 against 90.9
#   holds if: nesterov-1cycle > nesterov-piecewise
# claim: AdaGrad does.
#   published: shown in a figure; piecewise 83.7
#   holds if: adagrad-1cycle > adagrad-piecewise
# claim: AdaDelta does.
#   published: shown in a figure; piecewise 71.0
#   holds if: adadelta-1cycle > adadelta-piecewise
# claim: Adam does not.
#   published: shown in a figure; piecewise 87.1
#   holds if: adam-1cycle < adam-piecewise

# optimizer:rates of the cycle:rates of piecewise
optimizers_tried := nesterov:0.25,0.5,1:0.05,0.1,0.2 adagrad:0.02,0.05,0.1:0.01,0.02,0.05 adadelta:1,3,10:0.5,1,3 adam:0.003,0.01,0.03:0.001,0.003,0.01
optimizers_setting = $(paper_batch) $(paper_limit) --augment flip --optimizer $(call part,$1,1) --momentum 0.9 --weight-decay 1e-4 $(paper_statistics)
optimizers_long := $(call sized,400,80000)
define optimizers_both
$(call paper_chosen,paper-optimizers,$(call part,$1,1)-1cycle,$(paper_net),$(paper_cifar),$(paper_cycle),$(call optimizers_setting,$1) \
  --schedule 1cycle,--max-lr,$(subst $(,), ,$(call part,$1,2)))
$(call paper_tuned,paper-optimizers,$(call part,$1,1)-1cycle,$(paper_net),$(paper_cifar),$(paper_cycle),$(call optimizers_setting,$1) \
  --schedule 1cycle,$(call part,$1,1)-1cycle)
$(call paper_chosen,paper-optimizers,$(call part,$1,1)-piecewise,$(paper_net),$(paper_cifar),$(paper_cycle),$(call optimizers_setting,$1) \
  $(paper_drops),--lr,$(subst $(,), ,$(call part,$1,3)))
$(call paper_tuned,paper-optimizers,$(call part,$1,1)-piecewise,$(paper_net),$(paper_cifar),$(optimizers_long),$(call optimizers_setting,$1) \
  $(paper_drops),$(call part,$1,1)-piecewise)
endef
$(foreach o,$(optimizers_tried),$(call optimizers_both,$o))
