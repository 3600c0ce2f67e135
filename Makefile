# superconv: the front door. `make help` lists what most people need, `make help-all` every target and variable.
#
# This file holds what a stage is (one `define` each) and what every study shares; the studies themselves, their
# parameters and edges, are in pipelines/*.mk. Programs are order-only prerequisites: rebuilding a program redoes no run.
# A run is redone when its own flags have changed; what it measured before is moved aside, never deleted.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables --no-print-directory

# -------------------------------------------------------------------------------------------------- shared variables
DATA ?= mnist5k ## data set: mnist5k, cifar10, cifar100, mnist, or any name with SOURCE=FOLDER
SOURCE ?= ## archive or folder of the data set; empty: the embedded digits, or the official download
SIZE ?= ## side in pixels that the pictures of a folder are cropped and scaled to; empty: they all have one size
FIT ?= ## how the pictures of a folder become squares of SIZE: crop, pad or squash; empty: crop
KEEP ?= ## side that the pictures of a folder are stored with, where nets are to see SIZE of them; empty: SIZE
NET ?= resnet8 ## lenet, shallow, resnet8, 20, 32, 44, 56 or 110, bottleneck11, 29, 56 or 164; for pictures from 32 pixels on resnet18, 34 or 50
SHORTCUT ?= a ## shortcut of residual nets: a or avgpool
BATCH ?= 128 ## images per step
OPTIMIZER ?= sgd ## sgd, nesterov, adagrad, adadelta, rmsprop, adam or adamw
MOMENTUM ?= 0.9 ## momentum; constant in both arms unless 1cycle is given bounds
WEIGHT_DECAY ?= 1e-4 ## weight decay
AUGMENT ?= none ## augmentation: none, flip, crop-flip or random-resized-crop
TRAIN_SIZE ?= ## side of the square that the net sees of each image; empty: SIZE where KEEP is larger, else all of it
BN_MOMENTUM ?= 0.1 ## batch norm: the weight of the new batch, as in PyTorch
BN_REESTIMATE ?= 4 ## batch norm: training batches that its statistics are averaged over before an evaluation; 0: running ones
DEVICE ?= cpu ## cpu, cuda or cuda:N (an NVIDIA GPU: docs/gpu.md)
CUDNN ?= 1 ## with DEVICE=cuda, 1: convolutions by cuDNN; empty: by cuBLAS, which needs no cuDNN and is slower
ENGINE ?= fast ## fast (our kernels), or candle (candle's own operations: slow, to hold the other's results against)
PRECISION ?= float32 ## with DEVICE=cuda: float32 (TF32 off), tf32 or bf16
THREADS ?= ## threads of a run; empty: all processors
QUIET ?= ## 1: no progress on stderr
SCALE ?= small ## size of a study: superconvergence small or long (more seeds, more training images too, and LeNet); paper, team small or full

# Names and numbers that cannot be right are refused before anything runs, with the nearest right one.
NETS := lenet shallow resnet8 resnet18 resnet20 resnet32 resnet34 resnet44 resnet50 resnet56 resnet110 bottleneck11 bottleneck29 bottleneck56 bottleneck164
ENGINES := fast candle
DATA_SETS := mnist5k mnist5k-few cifar10 cifar100 mnist
# 1: a word, 2: words to choose from
nearest = $(shell awk -f pipelines/nearest.awk '$(subst ',,$1)' $2)
without_digits = $(subst 0,,$(subst 1,,$(subst 2,,$(subst 3,,$(subst 4,,$(subst 5,,$(subst 6,,$(subst 7,,$(subst 8,,$(subst 9,,$1))))))))))
# Empty unless a word is a number above 0
is_count = $(if $(call without_digits,$1),,$(subst 0,,$1))
ifeq ($(filter $(NET),$(NETS)),)
$(error NET=$(strip $(NET)): no such net; did you mean NET=$(call nearest,$(strip $(NET)),$(NETS))? There are $(NETS))
endif
ifeq ($(filter $(ENGINE),$(ENGINES)),)
$(error ENGINE=$(strip $(ENGINE)): no such engine; did you mean ENGINE=$(call nearest,$(strip $(ENGINE)),$(ENGINES))?)
endif
ifeq ($(filter $(DATA),$(DATA_SETS))$(strip $(SOURCE))$(wildcard data/$(strip $(DATA)).safetensors),)
$(error DATA=$(strip $(DATA)): no such data set; did you mean DATA=$(call nearest,$(strip $(DATA)),$(DATA_SETS))? \
  Your own pictures need SOURCE=FOLDER besides)
endif
ifeq ($(call is_count,$(strip $(BATCH))),)
$(error BATCH=$(strip $(BATCH)): a number of images from 1 on is wanted, such as BATCH=128)
endif

# A part, by number, of parts joined by colons: the settings of a study are tables of such lines.
part = $(word $2,$(subst :, ,$1))

# The flags that a target was made with are kept beside it, in TARGET.args. They are compared while make reads its files,
# so `make -n` and `make -q` tell the truth.
, := ,
same = $(and $(findstring |$(strip $1)|,|$(strip $2)|),$(findstring |$(strip $2)|,|$(strip $1)|))
unless_same = $(if $(call same,$(file <$1.args),$2),,FORCE)

# ------------------------------------------------------------------------------------------------------- the programs
CARGO ?= cargo
BIN := target/release
PROGRAMS := $(addprefix $(BIN)/sc-,prep init rangetest train probe search analyze watch predict eval export)
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find crates -name '*.rs' -o -name '*.c' -o -name '*.cu' \
  -o -name Cargo.toml -o -path '*/assets/*' -type f)

# With DEVICE=cuda the programs that run nets are built with CUDA, in a folder of their own. Such a program links to the
# driver's library and does not start without it: make looks for the library first, and says so.
RUN_BIN := $(BIN)
CUDA_TARGET := target/cuda
cuda_feature := $(if $(strip $(CUDNN)),cudnn,cuda)
cuda := $(filter cuda%,$(strip $(DEVICE)))
need_libraries :=
cuda_build :=
cuda_programs :=
ifdef cuda
RUN_BIN := $(CUDA_TARGET)/release
need_libraries = @pipelines/need-library libcuda.so.1 "DEVICE=$(DEVICE) needs NVIDIA's driver" \
  $(if $(strip $(CUDNN)),libcudnn.so.9 "CUDNN=1 needs cuDNN 9; without it: make CUDNN=")
cuda_build := --target-dir $(CUDA_TARGET) --features learner/$(cuda_feature)
cuda_programs := $(addprefix $(RUN_BIN)/sc-,rangetest train probe)
$(cuda_programs) &: $(RUST_SOURCES) $(call unless_same,$(RUN_BIN),$(cuda_feature))
	$(need_libraries)
	@$(CARGO) build --release --target-dir $(CUDA_TARGET) -p sc-rangetest -p sc-train -p sc-probe \
	  --features sc-rangetest/$(cuda_feature),sc-train/$(cuda_feature),sc-probe/$(cuda_feature)
	@touch $(cuda_programs)
	@printf '%s\n' '$(cuda_feature)' > $(RUN_BIN).args
endif

# One call of cargo builds all programs. It does not touch a program that needed no work: make does.
$(PROGRAMS) &: $(RUST_SOURCES)
	$(need_libraries)
	@[ -e $(BIN)/sc-analyze ] || echo "building the programs; a first build takes about 8 minutes on 2 cores" >&2
	@$(CARGO) build --release --workspace --bins
	@touch $(PROGRAMS)

# ---------------------------------------------------------------------------------------------------------- the stages
# Of candle's operations, those that go number by number take their threads from the environment alone.
ifneq ($(and $(filter candle,$(ENGINE)),$(strip $(THREADS))),)
export CANDLE_NUM_THREADS := $(strip $(THREADS))
endif
quiet := $(if $(strip $(QUIET)),--quiet)
threads := $(if $(strip $(THREADS)),--threads $(strip $(THREADS)))
engine := $(if $(filter-out fast,$(ENGINE)),--engine $(strip $(ENGINE)))
precision := $(if $(filter-out float32,$(PRECISION)),--precision $(strip $(PRECISION)))
# 1: net; those of torchvision have a shortcut of their own
has_shortcut = $(filter-out resnet18 resnet34 resnet50,$(filter resnet% bottleneck%,$1))
shortcut := $(if $(call has_shortcut,$(NET)),--shortcut $(strip $(SHORTCUT)))
train_size := $(if $(strip $(TRAIN_SIZE)),--train-size $(strip $(TRAIN_SIZE)))

.PHONY: FORCE
FORCE:

data_file := data/$(strip $(DATA)).safetensors

# 1: NAME, 2: flags of sc-prep, 3: files it is made from
define prep
data/$1.safetensors: $3 $(call unless_same,data/$1.safetensors,$2) | $(BIN)/sc-prep
	@$(BIN)/sc-prep $2 --out $$@ $(quiet)
	@printf '%s\n' '$(strip $2)' > $$@.args
endef

# Studies share initial weights: the first that asks makes the rule.
# 1: file of initial weights, 2: data file, 3: seed, 4: net and shortcut, as flags
known_inits :=
init_on = $(if $(filter $1,$(known_inits)),,$(eval known_inits += $1)$(init_rule))
define init_rule
$1: $2 | $(BIN)/sc-init
	@$(BIN)/sc-init --net $4 --data $2 --seed $3 --out $$@ $(quiet)
endef

# Initial weights in a study of several nets, those with shortcuts by the first kind. 1: net, 2: data, 3: seed
init_of = init/$1$(if $(call has_shortcut,$1),-a)_$2_seed$3.safetensors

# 1: seed
init_file = init/$(strip $(NET))$(if $(shortcut),-$(strip $(SHORTCUT)))$(if $(train_size),-at$(strip $(TRAIN_SIZE)))_$(strip $(DATA))_seed$1.safetensors
init = $(call init_on,$(call init_file,$1),$(data_file),$1,$(strip $(NET)) $(shortcut) $(train_size))

common_flags := --batch-size $(strip $(BATCH)) --optimizer $(strip $(OPTIMIZER)) --momentum $(strip $(MOMENTUM)) \
  --weight-decay $(strip $(WEIGHT_DECAY)) --augment $(strip $(AUGMENT)) $(train_size) --bn-momentum $(strip $(BN_MOMENTUM)) \
  --bn-reestimate $(strip $(BN_REESTIMATE)) --device $(strip $(DEVICE)) $(precision) $(engine)

# 1: folder of the run, 2: program, 3: data file, 4: file of initial weights, 5: all flags, 6: file that the rates come
# from, if any
define run_on
$1/result.json: $3 $4 $6 $(call unless_same,$1,$5) | $(RUN_BIN)/$2
	$(need_libraries)
	@$(RUN_BIN)/$2 --data $3 --init $4 $5 $(threads) $(quiet) --out $1 --resume --supersede
	@touch $$@
	@printf '%s\n' '$(strip $5)' > $1.args
endef

# A run of the setting that the shared variables describe.
# 1: folder of the run, 2: program, 3: seed, 4: flags, 5: file that the rates come from, if any
run = $(call run_on,$1,$2,$(data_file),$(call init_file,$3),$4 $(common_flags),$5)

# What sc-probe measures at initial weights.
# 1: file of the probe, 2: data file, 3: file of initial weights, 4: flags
define probe_on
$1: $2 $3 $(call unless_same,$1,$4) | $(RUN_BIN)/sc-probe
	$(need_libraries)
	@mkdir -p $$(@D)
	@$(RUN_BIN)/sc-probe --data $2 --init $3 $4 $(threads) $(quiet) --out $$@
	@printf '%s\n' '$(strip $4)' > $1.args
endef

# The same for the setting that the shared variables describe.
# 1: file of the probe, 2: seed
probe = $(call probe_on,$1,$(data_file),$(call init_file,$2),--batch-size $(strip $(BATCH)) --optimizer $(strip $(OPTIMIZER)) \
  --momentum $(strip $(MOMENTUM)) --weight-decay $(strip $(WEIGHT_DECAY)) $(train_size) --seed $2 --device $(strip $(DEVICE)) $(engine))

# 1: file of the suggestion, 2: folders of range tests, 3: flags
define suggest
$1: $(addsuffix /result.json,$2) $(call unless_same,$1,$2 $3) | $(BIN)/sc-analyze
	@$(BIN)/sc-analyze suggest $2 $3 --out $1
	@printf '%s\n' '$(strip $2 $3)' > $1.args
endef

# 1: file of the choice, 2: folders of the grid's runs
define choose
$1: $(addsuffix /result.json,$2) $(call unless_same,$1,$2) | $(BIN)/sc-analyze
	@$(BIN)/sc-analyze choose $2 --out $1
	@printf '%s\n' '$(strip $2)' > $1.args
endef

# 1: folder of the report, 2: folders of runs, 3: suggestions, 4: title, 5: further flags, if any
define report
$1/index.html: $(addsuffix /result.json,$2) $3 $(call unless_same,$1,$2 $3 $4 $5) | $(BIN)/sc-analyze
	@$(BIN)/sc-analyze report $2 $(addprefix --suggestion ,$3) --title '$(strip $4)' $5 --out $1
	@printf '%s\n' '$(strip $2 $3 $4 $5)' > $1.args
endef

# ------------------------------------------------------------------------------------------------------------ the data
mnist5k_sources := $(wildcard data/mnist5k/*.gz)
$(eval $(call prep,mnist5k,mnist data/mnist5k,$(mnist5k_sources)))
# Few of them for training and validation, the others for testing
$(eval $(call prep,mnist5k-few,mnist data/mnist5k --train-per-class 100,$(mnist5k_sources)))
# A file that was made by hand, by sc-prep, stays as it is.
ifeq ($(filter mnist5k mnist5k-few,$(DATA)),)
published := $(filter cifar10 cifar100 mnist,$(strip $(DATA)))
prep_flag = $(if $(strip $2),$1 $(strip $2))
prep_size := $(if $(published),,$(strip $(call prep_flag,--size,$(SIZE)) $(call prep_flag,--fit,$(FIT)) $(call prep_flag,--keep,$(KEEP))))
ifneq ($(published)$(strip $(SOURCE)),)
$(eval $(call prep,$(strip $(DATA)),$(or $(published),folder) $(or $(strip $(SOURCE)),--download) $(prep_size),))
endif
endif

# --------------------------------------------------------------------------------------------------------- the studies
include $(sort $(wildcard pipelines/*.mk))

# ------------------------------------------------------------------------------------------------------ looking at them
# All runs of a study, those that have not begun included; of a search, which decides what it runs, their folder.
WATCH ?= superconvergence ## watch: the study: superconvergence, rangetest or streamline
watched := superconvergence rangetest streamline
runs_of_superconvergence = $(study_runs)
runs_of_rangetest = $(range_runs)
runs_of_streamline = $(stream_folder)
known_watch = $(or $(filter $(strip $(WATCH)),$(watched)),$(error WATCH=$(strip $(WATCH)): no such study; \
  did you mean WATCH=$(call nearest,$(strip $(WATCH)),$(watched))? There are $(watched)))

.PHONY: watch
watch: | $(BIN)/sc-watch ## watch a study in progress from another terminal: curves, what runs, how long it still takes
	@$(BIN)/sc-watch --wait $(runs_of_$(known_watch))

# ----------------------------------------------------------------------------------------------------------- the rest
.PHONY: help help-all programs commands install uninstall dist test test-slurm torture lint fuzz sanitize large deps deny check-cuda test-cuda \
  test-pytorch test-export test-page schemas bench \
  bench-checkpoint bench-peer bench-run bench-scaling bench-start peer-agrees clean clean-studies

# What `make help` shows, in this order. `make help-all` shows them and everything else that a `##` comment documents.
USER_TARGETS := superconvergence rangetest finetune streamline paper team programs test
USER_VARIABLES := DATA SOURCE NET BATCH OPTIMIZER MOMENTUM WEIGHT_DECAY AUGMENT LENGTHS SEEDS BUDGET DEVICE

# The variables that a `##` comment documents, as NAME=VALUE, each quoted for the shell.
documented := $(shell sed -n 's/^\([A-Z_]*\) ?=.* \#\# .*/\1/p' $(MAKEFILE_LIST))
settings = $(foreach v,$(documented),'$v=$(subst ','\'',$(strip $($v)))')
# 1: 1 to show everything
show_help = @printf '%s\n' $(settings) | awk -v all='$1' -v targets='$(USER_TARGETS)' -v variables='$(USER_VARIABLES)' \
  -f pipelines/help.awk - $(MAKEFILE_LIST)

help: ## what most people need
	$(call show_help,)
	@printf '\n%s\n' 'make TARGET NAME=VALUE... changes a variable; make help-all lists every target and variable.'

help-all: ## every target and variable
	$(call show_help,1)

programs: $(PROGRAMS) $(cuda_programs) ## build the programs
	@:

STUDY ?= superconvergence ## commands: the study
commands: | $(PROGRAMS) $(cuda_programs) ## list what STUDY has still to run, one command a line after its wave: those of wave 2 need some of wave 1
	@MAKEFLAGS='$(subst ','\'',$(filter-out --warn-undefined-variables,$(MAKEFLAGS)))' \
	  $(MAKE) -n $(strip $(STUDY)) | awk -f pipelines/commands.awk

# What `make install` copies, and `make dist` packs.
PREFIX ?= /usr/local ## install: programs go to PREFIX/bin, man pages and completions below PREFIX/share
DESTDIR ?= ## install: a folder that PREFIX is taken to lie in, for those who make packages
MANUAL := target/manual
installed := $(filter-out $(addprefix $(BIN)/,$(notdir $(cuda_programs))),$(PROGRAMS)) $(cuda_programs)
prefix := $(abspath $(strip $(DESTDIR))$(patsubst ~/%,$(HOME)/%,$(strip $(PREFIX))))

$(MANUAL)/made: $(PROGRAMS) $(wildcard tests/bin/manual.rs tests/src/manual.rs tests/src/manual/*.rs)
	@$(CARGO) build --release --quiet --workspace --bin manual
	@rm -rf $(@D) && $(BIN)/manual $(BIN) $(@D) $(notdir $(PROGRAMS))
	@touch $@

install: $(MANUAL)/made $(cuda_programs) ## install the programs, their man pages and shell completions in PREFIX
	@install -d '$(prefix)/bin'
	@install -m 755 $(installed) '$(prefix)/bin'
	@cd $(MANUAL) && find . -type f ! -name made -exec install -D -m 644 {} '$(prefix)/share/{}' ';'
	@printf '%s\n' 'installed $(words $(installed)) programs in $(prefix)/bin, man pages and completions in $(prefix)/share' \
	  'make uninstall, with the same PREFIX, removes them'

uninstall: $(MANUAL)/made ## remove what `make install` put into PREFIX
	@rm -f $(patsubst %,'$(prefix)/bin/%',$(notdir $(installed)))
	@cd $(MANUAL) && find . -type f ! -name made -exec rm -f '$(prefix)/share/{}' ';'

PYTHON ?= python3 ## dist: the Python that makes the wheel
dist: $(MANUAL)/made ## pack programs, man pages and completions: a tarball, and a wheel by maturin, tried with pip
	@PYTHON='$(strip $(PYTHON))' pipelines/dist.sh $(BIN) $(MANUAL) target/dist $(notdir $(PROGRAMS)) || [ $$? -eq 3 ]

test: ## run all tests
	$(CARGO) test --release --workspace

KILLS ?= 25 ## torture: kills per stage of a program; make as a whole gets a tenth of them
TORTURE_SEED ?= 1 ## torture: seed of the moments of the kills
torture: ## kill every stage at random moments and compare what it leaves with an undisturbed run (about 10 minutes)
	$(CARGO) run --release --quiet -p end-to-end --bin torture -- $(strip $(KILLS)) $(strip $(TORTURE_SEED))

lint: ## check formatting, clippy with warnings denied, and the documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --release --workspace --no-deps --quiet

# What takes too long for the default tests: docs/reliability.md says what each of these found.
FUZZ ?= 1000000 ## fuzz: inputs per reader
FUZZ_SEED ?= 1 ## fuzz: seed of the mutations
READERS ?= ## fuzz: names of the readers; empty: all
fuzz: ## feed mutated inputs to every reader: how many were tried, the slowest, the most memory
	@FUZZ=$(strip $(FUZZ)) FUZZ_SEED=$(strip $(FUZZ_SEED)) $(CARGO) test --release --workspace --test fuzz -- $(READERS)

HOST = $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
sanitize: ## run the kernels' tests under the address sanitizer, for every instruction set of this processor
	@RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=detect_leaks=0 \
	  $(CARGO) test --release -p kernels --target $(HOST) --target-dir target/sanitize

large: $(BIN)/sc-analyze ## time sc-analyze on runs of 100,000 steps, and on 1,000 runs: seconds, memory, size of the page
	@$(CARGO) build --release --quiet --workspace --example large
	@$(BIN)/examples/large target/large

deps: ## count the crates that each program is built from, ours included
	@$(foreach p,$(notdir $(PROGRAMS)),printf '%-14s %s\n' $p \
	  "$$($(CARGO) tree --locked -p $p -e normal,build --prefix none --format '{p}' | cut -d' ' -f1,2 | sort -u | wc -l)";)

deny: ## check licences, duplicates, sources and advisories of all crates, by cargo-deny (cargo install cargo-deny --locked)
	@$(CARGO) deny --locked check licenses bans sources
	@CARGO=$(CARGO) pipelines/check-advisories || [ $$? -eq 3 ]

check-cuda: ## lint the CUDA code and compile its kernels, without a GPU; needs Python with pip
	tests/cuda/check.sh

test-slurm: | $(PROGRAMS) ## run a study on a Slurm of our own, with a node dying midway; needs slurm-wlm, munge and root
	@tests/slurm/check.sh $(BIN) || [ $$? -eq 3 ]

test-cuda: ## test every operation of every net on the first GPU against the reference
	$(CARGO) test --release --target-dir $(CUDA_TARGET) -p kernels --features kernels/$(cuda_feature) --test engines on_cuda

# Benchmarks: every figure on speed in the docs comes from one of these targets, on a quiet machine.
BENCH_NETS := resnet20,32,3 resnet56,32,3 bottleneck29,32,3 resnet8,28,1 lenet,28,1 shallow,32,3
field = $(word $2,$(subst $(,), ,$1))
BENCH_NET = $(RUN_BIN)/examples/bench_net --device $(strip $(DEVICE)) $(precision)
net_flags = --net $(call field,$1,1) --size $(call field,$1,2) --channels $(call field,$1,3)
bench: ## measure every kernel against the machine's peak, and whole steps of the nets; with DEVICE=cuda steps alone
	$(need_libraries)
	$(CARGO) build --release --quiet $(cuda_build) -p kernels -p learner --examples
	$(if $(cuda),,$(BIN)/examples/bench_conv)
	$(if $(cuda),,$(BIN)/examples/bench_ops)
	@$(foreach n,$(BENCH_NETS),$(foreach b,$(if $(cuda),128 1024,128),$(BENCH_NET) $(call net_flags,$n) --batch $b; \
	  $(BENCH_NET) $(call net_flags,$n) --batch $b --eval;))

bench-scaling: ## measure images/s, GFLOP/s and memory over depth and batch size
	$(CARGO) build --release --quiet -p learner --examples
	@$(foreach n,resnet20 resnet56 resnet110,$(foreach b,32 128 512 1024,\
	  $(BIN)/examples/bench_net --net $n --batch $b --steps 5;))

bench-checkpoint: ## measure what a checkpoint costs, and its share of a run at the default
	$(CARGO) run --release --quiet -p end-to-end --bin checkpoint_cost

bench-start: $(PROGRAMS) ## measure what each program weighs and how soon it starts
	@$(CARGO) build --release --quiet --workspace --bin start_up
	@$(BIN)/start_up $(BIN) $(notdir $(PROGRAMS))

PEER_PYTHON ?= python3 ## bench-peer, peer-agrees, test-pytorch, test-export, test-page, parity tests: a Python, with PyTorch for most
QUICK ?= ## bench-peer: 1 for a few cases only
PHOTO ?= ## bench-peer: 1 for resnet18 at 128 and 224 pixels only (PEER_PYTHON has torchvision)
ROUNDS ?= 5 ## bench-peer: interleaved rounds
bench-peer: ## measure our training steps against PyTorch's, into docs/results/; with DEVICE=cuda on one GPU
	$(need_libraries)
	$(CARGO) build --release --quiet $(cuda_build) -p learner --examples
	$(PEER_PYTHON) tests/peer/bench_peer.py --rounds $(strip $(ROUNDS)) $(if $(strip $(QUICK)),--quick) $(if $(strip $(PHOTO)),--photo) \
	  --device $(strip $(DEVICE)) --ours $(RUN_BIN)/examples/bench_net

PEER_OTHER ?= ## peer-agrees: an independent script that measures the same nets in PyTorch
peer-agrees: ## compare our PyTorch benchmark with an independent one: do they agree within 5%?
	$(PEER_PYTHON) tests/peer/agree.py --other $(or $(strip $(PEER_OTHER)),$(error PEER_OTHER is not set; name a script that measures the same nets in PyTorch)) \
	  --rounds $(strip $(ROUNDS))

test-pytorch: | $(PROGRAMS) ## test integrations/superconv_lr.py in PyTorch, against our programs on the same weights and batches
	$(PEER_PYTHON) integrations/test_superconv_lr.py

test-export: | $(PROGRAMS) ## read what `sc-analyze export` writes with TensorBoard, pandas, DVC, trackio and Ultralytics, where installed
	$(PEER_PYTHON) integrations/test_export.py

test-page: | $(PROGRAMS) ## open a report in headless Chromium: no request, no error, keys, widths, print; needs playwright
	$(PEER_PYTHON) tests/page/test_page.py

schemas: ## write docs/schemas anew, from the definitions of the files
	$(PEER_PYTHON) docs/schemas/write.py

bench-run: $(data_file) | $(BIN)/sc-init $(BIN)/sc-train ## measure what a whole run costs beyond its bare training steps
	$(CARGO) build --release --quiet -p learner --examples
	$(BIN)/examples/bench_run $(data_file)

# What was measured stays, and so does what it was measured on: `sc-analyze verify` holds runs against their data.
clean: ## remove what was built (target/); data, weights, runs and reports stay
	rm -rf target

clean-studies: ## move runs, reports and initial weights aside to superseded-N, for a fresh start; nothing is deleted
	@found=; for folder in init runs reports; do [ ! -e $$folder ] || found="$$found $$folder"; done; \
	[ -n "$$found" ] || { echo 'nothing to move aside: there are no runs, reports or initial weights'; exit 0; }; \
	number=1; while [ -e superseded-$$number ]; do number=$$((number + 1)); done; \
	mkdir superseded-$$number; \
	mv $$found superseded-$$number/; \
	echo "moved aside to superseded-$$number:$$found"
