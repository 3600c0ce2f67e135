# Weight decay under a high rate.
#
# question: How much weight decay does a high rate bear?
# published: Smith and Topin (arXiv 1708.07120), figure 10b and the author's logs: 1e-3, 1e-4, 1e-5, 1e-6: chance at the end (best 65.9),
#   92.4, 88.3, 87.3.
# cost: small 15 runs, 96,000 images: a minute of one core by 1,280 images/s; full 15 runs, 150 million
#
# Arms: 1cycle with weight decay 1e-2, 1e-3, 1e-4, 1e-5 and 1e-6.
#
# claim: 1e-3 is too much for a high rate: it ends lower than 1e-4.
#   published: chance against 92.4
#   holds if: decay-1e-3 < decay-1e-4
# claim: 1e-5 is too little: it ends lower than 1e-4.
#   published: 88.3 against 92.4
#   holds if: decay-1e-5 < decay-1e-4
# claim: 1e-6 ends lower than 1e-4 too.
#   published: 87.3 against 92.4
#   holds if: decay-1e-6 < decay-1e-4

$(foreach d,1e-2 1e-3 1e-4 1e-5 1e-6,$(call paper_trained,paper-decay,decay-$d,$(paper_net),$(paper_cifar),$(paper_cycle),\
  $(paper_batch) $(paper_limit) --augment flip --momentum 0.9 --weight-decay $d $(paper_statistics) --schedule 1cycle --max-lr $(paper_max),))
