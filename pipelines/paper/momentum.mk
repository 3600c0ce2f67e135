# Momentum under a high rate: constant, and cyclical.
#
# question: Which momentum suits a cycle, and does momentum that falls as the rate rises end higher than a constant one?
# published: Smith and Topin (arXiv 1708.07120), table 6: .80, .85, .90, .95: 92.1, 91.9, 92.4, 90.7. Smith (arXiv 1803.09820):
#   cyclical momentum is as good as the best constant one and spares the search; a reproduction: +.05 to +.14 points.
# cost: small 15 runs, 96,000 images: a minute of one core by 1,280 images/s; full 15 runs, 150 million
#
# Arms: 1cycle with momentum .8, .85, .9, .95, and between .95 and .85, against the rate.
#
# claim: Under a high rate momentum .95 ends lower than .9.
#   published: 90.7 against 92.4
#   holds if: momentum-0.95 < momentum-0.9
# claim: Momentum .8 ends as high as .9.
#   published: 92.1 against 92.4
#   holds if: momentum-0.8 = momentum-0.9
# claim: Cyclical momentum ends as high as .9.
#   published: +.05 to +.14 points (a reproduction, ResNet-56, batch 512)
#   holds if: cyclical = momentum-0.9

momentum_setting = $(paper_batch) $(paper_limit) --augment flip --momentum $1 --weight-decay 1e-4 $(paper_statistics) \
  --schedule 1cycle --max-lr $(paper_max)
$(foreach m,0.8 0.85 0.9 0.95,$(call paper_trained,paper-momentum,momentum-$m,$(paper_net),$(paper_cifar),$(paper_cycle),\
  $(call momentum_setting,$m),))
$(call paper_trained,paper-momentum,cyclical,$(paper_net),$(paper_cifar),$(paper_cycle),\
  $(call momentum_setting,0.9) --max-momentum 0.95 --min-momentum 0.85,)
