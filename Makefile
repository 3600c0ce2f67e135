# superconv: the front door. `make help` lists every target and variable.
#
# Here stand what a stage is (one `define` each) and what every study shares; the studies themselves, their parameters
# and edges, are in pipelines/*.mk. Programs are order-only prerequisites: a rebuilt program redoes no run. A run is
# redone when its own flags changed; what it measured before is moved aside by the program, never deleted.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables --no-print-directory

# -------------------------------------------------------------------------------------------------- shared variables
DATA ?= mnist5k ## data set: mnist5k, cifar10, cifar100, mnist, or NAME with SOURCE=folder of images
SOURCE ?= ## where the data set's archive or folder lies; empty: the embedded one, or the official download
NET ?= resnet8 ## lenet, shallow, resnet8, 20, 32, 44, 56 or 110, bottleneck11, 29, 56 or 164
SHORTCUT ?= a ## of residual nets: a or avgpool
BATCH ?= 128 ## images a step
OPTIMIZER ?= sgd ## sgd, nesterov, adagrad, adadelta, rmsprop, adam or adamw
MOMENTUM ?= 0.9 ## momentum, constant in both arms unless 1cycle is given bounds
WEIGHT_DECAY ?= 1e-4 ## weight decay
AUGMENT ?= none ## none, flip or crop-flip
BN_MOMENTUM ?= 0.1 ## batch norm: the weight of the new batch, as in PyTorch
BN_REESTIMATE ?= 4 ## training batches that batch norm's statistics are averaged over before an evaluation; 0: running ones
DEVICE ?= cpu ## cpu, cuda or cuda:N (an NVIDIA GPU: docs/gpu.md)
CUDNN ?= 1 ## with DEVICE=cuda, 1: convolutions by cuDNN; empty: by cuBLAS, which needs no cuDNN and is slower
PRECISION ?= float32 ## with DEVICE=cuda: float32 (TF32 off), tf32 or bf16
THREADS ?= ## worker threads of a run; empty: all processors
QUIET ?= ## 1: no progress on stderr

# A part, by number, of parts joined by colons: settings of a study stand in tables of such lines.
part = $(word $2,$(subst :, ,$1))

# The flags that a target was made with are kept beside it, in TARGET.args; they are compared while make reads its files,
# so that `make -n` and `make -q` tell the truth.
, := ,
same = $(and $(findstring |$(strip $1)|,|$(strip $2)|),$(findstring |$(strip $2)|,|$(strip $1)|))
unless_same = $(if $(call same,$(file <$1.args),$2),,FORCE)

# ------------------------------------------------------------------------------------------------------- the programs
CARGO ?= cargo
BIN := target/release
PROGRAMS := $(addprefix $(BIN)/sc-,prep init rangetest train probe search analyze)
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find crates -name '*.rs' -o -name '*.c' -o -name '*.cu' \
  -o -name Cargo.toml -o -path '*/assets/*' -type f)

# With DEVICE=cuda the programs that run nets are built with CUDA, in a folder of their own. Such a program is linked to
# the driver's library and does not start without it: make looks for the library first, and says so.
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

# One cargo call makes all programs. cargo leaves a program that needed no work as old as it was: touch it.
$(PROGRAMS) &: $(RUST_SOURCES)
	$(need_libraries)
	@[ -e $(BIN)/sc-analyze ] || echo "building the programs; a first build takes about 8 minutes on 2 cores" >&2
	@$(CARGO) build --release --workspace --bins
	@touch $(PROGRAMS)

# ---------------------------------------------------------------------------------------------------------- the stages
quiet := $(if $(strip $(QUIET)),--quiet)
threads := $(if $(strip $(THREADS)),--threads $(strip $(THREADS)))
precision := $(if $(filter-out float32,$(PRECISION)),--precision $(strip $(PRECISION)))
shortcut := $(if $(filter resnet% bottleneck%,$(NET)),--shortcut $(strip $(SHORTCUT)))

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
init_of = init/$1$(if $(filter resnet% bottleneck%,$1),-a)_$2_seed$3.safetensors

# 1: seed
init_file = init/$(strip $(NET))$(if $(shortcut),-$(strip $(SHORTCUT)))_$(strip $(DATA))_seed$1.safetensors
init = $(call init_on,$(call init_file,$1),$(data_file),$1,$(strip $(NET)) $(shortcut))

common_flags := --batch-size $(strip $(BATCH)) --optimizer $(strip $(OPTIMIZER)) --momentum $(strip $(MOMENTUM)) \
  --weight-decay $(strip $(WEIGHT_DECAY)) --augment $(strip $(AUGMENT)) --bn-momentum $(strip $(BN_MOMENTUM)) \
  --bn-reestimate $(strip $(BN_REESTIMATE)) --device $(strip $(DEVICE)) $(precision)

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
  --momentum $(strip $(MOMENTUM)) --weight-decay $(strip $(WEIGHT_DECAY)) --seed $2 --device $(strip $(DEVICE)))

# 1: file of the suggestion, 2: folders of range tests
define suggest
$1: $(addsuffix /result.json,$2) $(call unless_same,$1,$2) | $(BIN)/sc-analyze
	@$(BIN)/sc-analyze suggest $2 --out $1
	@printf '%s\n' '$(strip $2)' > $1.args
endef

# 1: file of the choice, 2: folders of the grid's runs
define choose
$1: $(addsuffix /result.json,$2) $(call unless_same,$1,$2) | $(BIN)/sc-analyze
	@$(BIN)/sc-analyze choose $2 --out $1
	@printf '%s\n' '$(strip $2)' > $1.args
endef

# 1: folder of the report, 2: folders of runs, 3: suggestions, 4: title
define report
$1/index.html: $(addsuffix /result.json,$2) $3 $(call unless_same,$1,$2 $3 $4) | $(BIN)/sc-analyze
	@$(BIN)/sc-analyze report $2 $(addprefix --suggestion ,$3) --title '$(strip $4)' --out $1
	@printf '%s\n' '$(strip $2 $3 $4)' > $1.args
endef

# ------------------------------------------------------------------------------------------------------------ the data
mnist5k_sources := $(wildcard data/mnist5k/*.gz)
$(eval $(call prep,mnist5k,mnist data/mnist5k,$(mnist5k_sources)))
ifneq ($(strip $(DATA)),mnist5k)
prep_kind := $(or $(filter cifar10 cifar100 mnist,$(strip $(DATA))),folder)
$(eval $(call prep,$(strip $(DATA)),$(prep_kind) $(or $(strip $(SOURCE)),--download),))
endif

# --------------------------------------------------------------------------------------------------------- the studies
include $(sort $(wildcard pipelines/*.mk))

# ----------------------------------------------------------------------------------------------------------- the rest
.PHONY: help programs test torture lint fuzz sanitize large deps deny check-cuda test-cuda bench bench-checkpoint \
  bench-peer bench-run bench-scaling peer-agrees clean
help: ## this list
	@awk -f pipelines/help.awk $(MAKEFILE_LIST)
	@printf '\nVariables, with the values of today (make TARGET NAME=VALUE changes one):\n'
	@$(foreach v,$(documented),printf '  %-18s %s\n' '$v' '$(strip $($v))';)

# Names of the variables that a `##` comment documents.
documented := $(shell sed -n 's/^\([A-Z_]*\) ?=.* \#\# .*/\1/p' $(MAKEFILE_LIST))

programs: $(PROGRAMS) $(cuda_programs) ## build the programs
	@:

test: ## run all tests
	$(CARGO) test --release --workspace

KILLS ?= 25 ## torture: kills of each program's stage; make as a whole gets a tenth of it
TORTURE_SEED ?= 1 ## torture: decides the moments
torture: ## kill every stage at random moments and hold what it then makes against an undisturbed run (some 10 minutes)
	$(CARGO) run --release --quiet -p end-to-end --bin torture -- $(strip $(KILLS)) $(strip $(TORTURE_SEED))

lint: ## formatting, clippy with warnings denied, and the documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --release --workspace --no-deps --quiet

# What is too long for every test: docs/reliability.md says what each of these found.
FUZZ ?= 1000000 ## inputs a reader for make fuzz
FUZZ_SEED ?= 1 ## their seed
READERS ?= ## names of the readers to fuzz; empty: all
fuzz: ## every reader against mutated inputs: how many were tried, the slowest, the most memory
	@FUZZ=$(strip $(FUZZ)) FUZZ_SEED=$(strip $(FUZZ_SEED)) $(CARGO) test --release --workspace --test fuzz -- $(READERS)

HOST = $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
sanitize: ## the tests of the kernels under the address sanitizer, on every path that this processor has
	@RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=detect_leaks=0 \
	  $(CARGO) test --release -p kernels --target $(HOST) --target-dir target/sanitize

large: $(BIN)/sc-analyze ## sc-analyze over runs of 100,000 steps, and over 1,000 runs: seconds, memory, size of the page
	@$(CARGO) build --release --quiet --workspace --example large
	@$(BIN)/examples/large target/large

deps: ## how many crates each program is built from, ours included
	@$(foreach p,$(notdir $(PROGRAMS)),printf '%-14s %s\n' $p \
	  "$$($(CARGO) tree --locked -p $p -e normal,build --prefix none --format '{p}' | cut -d' ' -f1,2 | sort -u | wc -l)";)

deny: ## licences, duplicates and sources of all crates, by cargo-deny (cargo install cargo-deny --locked)
	@$(CARGO) deny --locked check licenses bans sources

check-cuda: ## check and lint the CUDA code and compile its kernels, without a GPU; needs Python with pip
	tests/cuda/check.sh

test-cuda: ## every operation of every net on the first GPU, against the reference
	$(CARGO) test --release --target-dir $(CUDA_TARGET) -p kernels --features kernels/$(cuda_feature) --test engines on_cuda

# Benchmarks: any number of the docs can be made again, on a quiet machine, by these targets.
BENCH_NETS := resnet20,32,3 resnet56,32,3 bottleneck29,32,3 resnet8,28,1 lenet,28,1 shallow,32,3
field = $(word $2,$(subst $(,), ,$1))
BENCH_NET = $(RUN_BIN)/examples/bench_net --device $(strip $(DEVICE)) $(precision)
net_flags = --net $(call field,$1,1) --size $(call field,$1,2) --channels $(call field,$1,3)
bench: ## every kernel against the machine's measured peak, and whole steps of the nets; with DEVICE=cuda steps alone
	$(need_libraries)
	$(CARGO) build --release --quiet $(cuda_build) -p kernels -p learner --examples
	$(if $(cuda),,$(BIN)/examples/bench_conv)
	$(if $(cuda),,$(BIN)/examples/bench_ops)
	@$(foreach n,$(BENCH_NETS),$(foreach b,$(if $(cuda),128 1024,128),$(BENCH_NET) $(call net_flags,$n) --batch $b; \
	  $(BENCH_NET) $(call net_flags,$n) --batch $b --eval;))

bench-scaling: ## images/s, GFLOP/s and memory over depth and batch size
	$(CARGO) build --release --quiet -p learner --examples
	@$(foreach n,resnet20 resnet56 resnet110,$(foreach b,32 128 512 1024,\
	  $(BIN)/examples/bench_net --net $n --batch $b --steps 5;))

bench-checkpoint: ## what a checkpoint costs, and its share of a run at the default
	$(CARGO) run --release --quiet -p end-to-end --bin checkpoint_cost

PEER_PYTHON ?= python3 ## a Python with PyTorch, for bench-peer and the live parity test
QUICK ?= ## 1: bench-peer of a few cases
ROUNDS ?= 5 ## rounds of bench-peer
bench-peer: ## our training steps against PyTorch's in one sitting, into docs/results/; with DEVICE=cuda on one GPU
	$(need_libraries)
	$(CARGO) build --release --quiet $(cuda_build) -p learner --examples
	$(PEER_PYTHON) tests/peer/bench_peer.py --rounds $(strip $(ROUNDS)) $(if $(strip $(QUICK)),--quick) \
	  --device $(strip $(DEVICE)) --ours $(RUN_BIN)/examples/bench_net

PEER_OTHER ?= ## an independent script that measures the same nets in PyTorch, for peer-agrees
peer-agrees: ## do our PyTorch benchmark and an independent one agree within 5%?
	$(PEER_PYTHON) tests/peer/agree.py --other $(or $(strip $(PEER_OTHER)),$(error PEER_OTHER: expected a script)) \
	  --rounds $(strip $(ROUNDS))

bench-run: $(data_file) | $(BIN)/sc-init $(BIN)/sc-train ## what a whole run costs beyond its bare training steps
	$(CARGO) build --release --quiet -p learner --examples
	$(BIN)/examples/bench_run $(data_file)

clean: ## remove what the studies made: prepared data, weights, runs and reports; the programs and raw data stay
	rm -rf init runs reports data/*.safetensors data/*.safetensors.args
