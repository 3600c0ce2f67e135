# The highest rate of the cycle.
#
# question: How high may the highest rate of 1cycle be, and does a high one end higher?
# published: Smith and Topin (arXiv 1708.07120): highest rate 1, 1.5, 2, 2.5, 3, 3.5: 91.3, 90.9, 91.7, 92.3, 92.4, 92.1.
# cost: small 15 runs, 96,000 images: a minute of one core by 1,280 images/s; full 21 runs, 210 million
#
# Arms: 1cycle from a tenth of the highest rate, at .25, .5, 1, 2 and 3 (full: .5, 1, 1.5, 2, 2.5, 3, 3.5).
#
# claim: A highest rate of 3 ends higher than one of 1.
#   published: 92.4 against 91.3
#   holds if: max-3 > max-1
# claim: A highest rate of 1 ends higher than one of .5.
#   published: not asked
#   holds if: max-1 > max-0.5
# claim: At a highest rate of 3 the net still learns: no collapse.
#   published: 92.4
#   holds if: max-3 > max-0.5 - 10

$(foreach r,$(call sized,0.25 0.5 1 2 3,0.5 1 1.5 2 2.5 3 3.5),$(call paper_trained,paper-rates,max-$r,$(paper_net),$(paper_cifar),\
  $(paper_cycle),$(paper_setting) --schedule 1cycle --max-lr $r,))
