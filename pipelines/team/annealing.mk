# A team's runs: training accuracy complete before the annealing, and what they would have gained.
#
# question: Was the net done before the annealing began, and what would each of their "things to try" have brought them?
# published: A team's log (ResNet-56, CIFAR-10, batch 1,024, momentum .95, weight decay 1e-9, no augmentation): training accuracy 100% before
#   the annealing at about 1,200 steps; 84% in 1,150 steps.
# cost: small 30 runs, 194,000 images: 3 minutes of one core by 1,280 images/s; full 30 runs, 36 million
#
# Arms: 1cycle as theirs (small: resnet8, 500 images, 200 steps of 32: half as many epochs), and with one thing changed: a higher highest rate
# (three times), all images (small: 25% more), more decay (5e-4), half the steps; flips; the lowest rate a third, a quarter and a tenth of
# the highest; a piecewise rate as theirs, 1000, 100, 100 and 300 steps divided by ten each, whole and stopped after 1,100.
#
# claim: Training accuracy is complete before the annealing.
#   published: 100% at about 1,200 steps
#   holds if: complete of theirs > 50
#   why: With next to no weight decay and no augmentation nothing keeps the net from knowing its images by heart; what the annealing lowers is then a loss that is already near zero.
# claim: Such a run ends at 84% of test images.
#   published: 84% in 1,150 steps
#   at: full
#   holds if: theirs > 83
#   why: The level is of 50,000 images and ResNet-56; a small net and 500 images cannot say.
# claim: Of a piecewise rate, 1000, 100, 100 and 300 steps divided by ten each, nothing is gained after 1,100.
#   published: no gain after 1,100
#   holds if: pieces = pieces-stopped
#   why: After the first drop the training images are known by heart: a rate divided once more moves nothing.
# claim: A lowest rate of a third of the highest ends as high as a tenth.
#   published: tried: max/3, max/4, max/10
#   holds if: third = theirs
#   why: Where a cycle starts matters little when its rise is short; what it ends at is set by the tail, which falls to a thousandth of the lowest rate.
# claim: A lowest rate of a quarter does too.
#   published: tried: max/3, max/4, max/10
#   holds if: quarter = theirs
#   why: As for a third.
# claim: A higher highest rate would have brought them more.
#   published: to try
#   holds if: higher > theirs
#   why: A higher rate regularises, and without decay or augmentation little else does.
# claim: The validation images, trained on too, would have.
#   published: to try
#   holds if: whole > theirs
#   why: More images are the one thing that a net which knows its images by heart cannot do without.
# claim: More weight decay would have.
#   published: to try
#   holds if: decay > theirs
#   why: In a short run decay has few steps to act in; its effect grows with the sum of the rates.
# claim: Flipped images, which they did not use, would have.
#   published: not tried
#   holds if: flips > theirs
#   why: A net that knows its images by heart learns from their mirror images.
# claim: Half the steps would have been enough.
#   published: to try: fewer iterations
#   holds if: fewer = theirs
#   why: If training accuracy is complete halfway, the steps after it are spare; if it is not, they are missed.

# 1: weight decay, 2: augmentation, 3: images
annealing_setting = --batch-size $(call sized,32,1024) $3 --augment $2 --momentum 0.95 --weight-decay $1 $(paper_statistics)
annealing_limit := $(call sized,--train-limit 500,)
annealing_theirs := $(call annealing_setting,1e-9,none,$(annealing_limit))
annealing_steps := $(call sized,200,1200)
annealing_max := $(call sized,0.5,1)
annealing_cycle := --schedule 1cycle --max-lr $(annealing_max)
# 1: arm, 2: steps, 3: flags, 4: share of validation images, theirs unless given
annealing_arm = $(call paper_watched,team-annealing,$1,$(paper_net),$(paper_cifar),$2,$3,,$(or $4,0.1),0)
$(call annealing_arm,theirs,$(annealing_steps),$(annealing_theirs) $(annealing_cycle),)
$(call annealing_arm,higher,$(annealing_steps),$(annealing_theirs) --schedule 1cycle --max-lr $(call sized,1.5,3),)
$(call annealing_arm,whole,$(annealing_steps),$(call annealing_setting,1e-9,none,$(call sized,--train-limit 625,)) \
  $(annealing_cycle),$(call sized,0.1,0))
$(call annealing_arm,decay,$(annealing_steps),$(call annealing_setting,5e-4,none,$(annealing_limit)) $(annealing_cycle),)
$(call annealing_arm,flips,$(annealing_steps),$(call annealing_setting,1e-9,flip,$(annealing_limit)) $(annealing_cycle),)
$(call annealing_arm,fewer,$(call sized,100,600),$(annealing_theirs) $(annealing_cycle),)
$(call annealing_arm,third,$(annealing_steps),$(annealing_theirs) $(annealing_cycle) --min-lr $(call sized,0.1667,0.3333),)
$(call annealing_arm,quarter,$(annealing_steps),$(annealing_theirs) $(annealing_cycle) --min-lr $(call sized,0.125,0.25),)
# 1000, 100, 100 and 300 steps, at SCALE=small a fifth of each
annealing_whole := 0.6667,0.7333,0.8
annealing_stopped := 0.9091
$(call annealing_arm,pieces,$(call sized,300,1500),$(annealing_theirs) --schedule piecewise --lr 0.1 --drop-at $(annealing_whole),)
$(call annealing_arm,pieces-stopped,$(call sized,220,1100),$(annealing_theirs) --schedule piecewise --lr 0.1 --drop-at $(annealing_stopped),)
