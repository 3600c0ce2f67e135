# Batch size, at equal steps.
#
# question: Does a larger batch end higher under the same cycle?
# published: Smith and Topin (arXiv 1708.07120), table 5: batch 256, 512, 1,000, 1,536: 89.5, 91.7, 92.4, 92.1; equal steps.
# cost: small 12 runs, 72,000 images: a minute of one core by 1,280 images/s; full 12 runs, 99 million
#
# Arms: 1cycle for equal steps with batches of 8, 16, 32 and 64 images (full: 256, 512, 1,000 and 1,536).
#
# claim: The second largest batch ends higher than the smallest.
#   published: 92.4 (1,000) against 89.5 (256)
#   holds if: batch-large > batch-smallest
# claim: Beyond it a larger batch brings nothing.
#   published: 92.1 (1,536) against 92.4 (1,000)
#   holds if: batch-largest = batch-large

batch_sizes := $(call sized,smallest:8 small:16 large:32 largest:64,smallest:256 small:512 large:1000 largest:1536)
$(foreach b,$(batch_sizes),$(call paper_trained,paper-batch,batch-$(call part,$b,1),$(paper_net),$(paper_cifar),$(paper_cycle),\
  --batch-size $(call part,$b,2) $(paper_limit) --augment flip --momentum 0.9 --weight-decay 1e-4 $(paper_statistics) \
  --schedule 1cycle --max-lr $(paper_max),))
