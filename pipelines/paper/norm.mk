# Batch norm's statistics and the length of a run.
#
# question: Do running statistics with a long memory hide super-convergence?
# published: Smith and Topin (arXiv 1708.07120): with Caffe's moving_average_fraction at .999 (here momentum .001) it was not seen; .95 (.05)
#   for 10,000 steps, .80 (.2) for 2,000.
# cost: small 15 runs, 96,000 images: a minute of one core by 1,280 images/s; full 15 runs, 150 million
#
# Arms: the same training (batch norm trains by its batch), evaluated by running statistics of momentum .001, .05 and .2, and by
# statistics re-estimated over training batches.
#
# claim: Running statistics of momentum .001 hide what was learned.
#   published: no super-convergence is seen
#   holds if: running-0.001 < reestimated - 5
# claim: Of momentum .05 they show it.
#   published: 92.4
#   holds if: running-0.05 = reestimated
# claim: The training itself is the same: with long memory and re-estimated statistics nothing is hidden.
#   published: not asked
#   holds if: reestimated-0.001 = reestimated

norm_setting := $(paper_batch) $(paper_limit) --augment flip --momentum 0.9 --weight-decay 1e-4 --schedule 1cycle --max-lr $(paper_max)
$(foreach m,0.001 0.05 0.2,$(call paper_trained,paper-norm,running-$m,$(paper_net),$(paper_cifar),$(paper_cycle),\
  $(norm_setting) --bn-momentum $m --bn-reestimate 0,))
$(call paper_trained,paper-norm,reestimated,$(paper_net),$(paper_cifar),$(paper_cycle),$(norm_setting) $(paper_statistics),)
$(call paper_trained,paper-norm,reestimated-0.001,$(paper_net),$(paper_cifar),$(paper_cycle),$(norm_setting) --bn-momentum 0.001 \
  --bn-reestimate 8,)
