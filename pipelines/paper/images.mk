# Fewer training images, larger gain.
#
# question: Does the gain of 1cycle grow as training images become fewer?
# published: Smith and Topin (arXiv 1708.07120), table 1; ResNet-56, CIFAR-10: 50,000, 20,000 and 10,000 images.
# cost: small 33 runs, 768,000 images: 10 minutes of one core by 1,280 images/s; full 35 runs, 1690 million
#
# Arms: at each number of images 1cycle, and the customary and a tuned piecewise rate for 4 times (full: 8 times) the steps.
#
# claim: With few images 1cycle ends higher than the customary rate.
#   published: +9.2 points (10,000 images)
#   holds if: 1cycle-few > customary-few
# claim: With many images it does too.
#   published: +1.2 points (50,000 images)
#   holds if: 1cycle-many > customary-many
# claim: The gain over the customary rate is larger with few images than with many.
#   published: +9.2 against +1.2 points
#   holds if: 1cycle-few - customary-few > 1cycle-many - customary-many
# claim: So is the gain over a tuned rate.
#   published: no tuned baseline; one reproduction's piecewise rate ended 10.3 points above the paper's (10,000 images)
#   holds if: 1cycle-few - tuned-few > 1cycle-many - tuned-many

# name:images:steps of 1cycle:steps of piecewise
images_sizes := $(call sized,few:250:200:800 some:500:200:800 many:2000:400:1600,few:10000:10000:80000 some:20000:10000:80000 many:45000:10000:80000)
images_setting = $(paper_batch) --train-limit $(call part,$1,2) --augment flip --momentum 0.9 --weight-decay 1e-4 $(paper_statistics)
$(call paper_chosen,paper-images,piecewise,$(paper_net),$(paper_cifar),$(call sized,400,20000),$(paper_setting) $(paper_drops),--lr,$(call \
  sized,0.1 0.2 0.4,0.1 0.2 0.35 0.7))
$(foreach z,$(images_sizes),\
  $(call paper_trained,paper-images,1cycle-$(call part,$z,1),$(paper_net),$(paper_cifar),$(call part,$z,3),$(call images_setting,$z) \
    --schedule 1cycle --max-lr $(paper_max),)\
  $(call paper_trained,paper-images,customary-$(call part,$z,1),$(paper_net),$(paper_cifar),$(call part,$z,4),$(call images_setting,$z) \
    $(paper_customary),)\
  $(call paper_tuned,paper-images,tuned-$(call part,$z,1),$(paper_net),$(paper_cifar),$(call part,$z,4),$(call images_setting,$z) \
    $(paper_drops),piecewise))
