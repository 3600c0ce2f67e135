# Super-convergence on digits: the default study's runs.
#
# question: Does 1cycle end higher than a piecewise constant rate that trains for 3 times as many steps, on 500 digits?
# published: Smith and Topin (arXiv 1708.07120), table 1: ResNet-56, CIFAR-10, 10,000 images, the fewest that they tried.
# cost: nothing beyond `make superconvergence`, whose runs they are
#
# Arms: 1cycle at the rate that range tests suggest, for 160 steps; the customary piecewise rate, 0.1, for 480; piecewise at the best rate
# of a grid for 160, which of the lengths tried (80, 160, 320) is its best; a linear decay from that rate for 160. Ten seeds, 4,000 test
# digits. Of other lengths docs/results/superconvergence.md tells.
#
# claim: 1cycle ends higher than the customary rate after 3 times the steps.
#   published: 80.6 against 71.4, after 8 times the steps
#   holds if: 1cycle > customary
# claim: It ends higher than a tuned piecewise rate at its best length.
#   published: no tuned baseline; one reproduction's reached 81.7 where the paper's had 71.4
#   holds if: 1cycle > piecewise
# claim: It is the cycle: 1cycle ends higher than a linear decay of as many steps.
#   published: not asked
#   holds if: 1cycle > linear

# The default study makes these runs (pipelines/superconvergence.mk).
digits_study := runs/superconvergence_mnist5k-few_resnet8_bs64
paper_runs_of_paper-digits := $(foreach a,1cycle-it160 customary-it480 piecewise-it160 linear-it160,$(foreach s,1 2 3 4 5 6 7 8 9 10,\
  $(digits_study)/$a-seed$s))
