# The shallow net's range tests by weight decay.
#
# question: Does the largest weight decay that still bears high rates end lowest in loss, and does a larger one forbid them?
# published: Smith (arXiv 1803.09820), 3-layer net, CIFAR-10, rates to .01: decay 1e-4: loss lowest at .002, then rising; 4e-3: flat from
#   .005 to .008; 1e-2: diverges from .0052.
# cost: small 9 runs, 115,000 images; full 9 runs, 18 million
#
# Arms: linear range tests to .05, momentum .9, with weight decay 1e-4, 4e-3 and 1e-2. Accuracies are of validation images.
#
# claim: At its best, decay 4e-3 is as good as 1e-4 or better.
#   published: loss .70 against .74
#   holds if: best of decay-4e-3 > best of decay-1e-4 - 0.5
# claim: Decay 1e-2 loses at the end of the ramp what 4e-3 keeps.
#   published: diverges from .0052
#   holds if: end of decay-4e-3 > end of decay-1e-2

$(foreach d,1e-4 4e-3 1e-2,$(call paper_ramped,paper-shallow,decay-$d,shallow,$(paper_cifar),$(call sized,200,4000),\
  --batch-size $(call sized,64,512) $(call sized,--train-limit 4000,) --augment none --momentum 0.9 --weight-decay $d --scale linear --min-lr 0 \
  --max-lr 0.05 --val-from-train 0.1 --val-every $(call sized,10,40)))
