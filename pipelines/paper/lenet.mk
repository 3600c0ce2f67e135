# LeNet on MNIST: no batch norm.
#
# question: Does 1cycle reach in fewer epochs what step decay reaches at all, without batch norm?
# published: Smith (arXiv 1803.09820), table of final accuracies; batch 512, 4 runs: step decay from .01 for 85 epochs 99.00 +- .04;
#   1cycle .01 to .1 for 12 epochs 99.25 +- .03, for 85 epochs 99.35 +- .03 (.02 to .2).
# cost: small 20 runs, 1.8 million images; full 20 runs, 54 million
#
# Arms: 1cycle for 12 and for 85 epochs, with cyclical momentum; piecewise constant (drops at 50% and 75%) from .01 for 85 epochs, and
# from the best rate of a grid.
#
# claim: 12 epochs of 1cycle end higher than 85 epochs of the customary rate.
#   published: 99.25 against 99.00
#   holds if: 1cycle > customary
# claim: They end higher than 85 epochs of a tuned rate.
#   published: no tuned baseline
#   holds if: 1cycle > tuned
# claim: 85 epochs of 1cycle end higher than 12.
#   published: 99.35 against 99.25
#   holds if: 1cycle-long > 1cycle

lenet_setting := --batch-size $(call sized,64,512) $(call sized,--train-limit 2000,) --augment none --weight-decay 5e-4 --momentum 0.9
lenet_short := $(call sized,375,1410)
lenet_long := $(call sized,2650,9960)
lenet_cycle := --schedule 1cycle --max-lr $(call sized,0.05,0.1) --min-lr $(call sized,0.005,0.01) --max-momentum 0.95 --min-momentum 0.8
$(call paper_trained,paper-lenet,1cycle,lenet,$(paper_mnist),$(lenet_short),$(lenet_setting) $(lenet_cycle),)
$(call paper_trained,paper-lenet,1cycle-long,lenet,$(paper_mnist),$(lenet_long),$(lenet_setting) $(lenet_cycle),)
$(call paper_trained,paper-lenet,customary,lenet,$(paper_mnist),$(lenet_long),$(lenet_setting) $(paper_drops) --lr 0.01,)
$(call paper_chosen,paper-lenet,piecewise,lenet,$(paper_mnist),$(lenet_short),$(lenet_setting) $(paper_drops),--lr,0.005 0.01 0.02 0.04)
$(call paper_tuned,paper-lenet,tuned,lenet,$(paper_mnist),$(lenet_long),$(lenet_setting) $(paper_drops),piecewise)
