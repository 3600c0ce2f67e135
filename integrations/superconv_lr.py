"""Find a learning rate for any PyTorch model, and leave no trace in it.

    from superconv_lr import find_lr

    result = find_lr(model, loss_fn, loader, optimizer, steps=100, for_iterations=1000, out="range-test.csv")
    print(result)

Three measurements, in this order, all in training mode and with the optimizer that the training will use:

1. the gradient noise scale, in samples (McCandlish et al. 2018, arXiv:1812.06162, appendix A.1);
2. the critical rate: the least one at which the optimizer's first step does not lower the loss of its own batch
   (Kalra and Barkeshli 2024, arXiv:2406.09405, appendix B.2), by forward passes alone;
3. a learning rate range test (Smith 2015, arXiv:1506.01186) laid around it: `steps` training steps at rates that rise
   by equal factors from a 64th of the critical rate to 16 times it.

Then everything is put back to the bit: weights, buffers, gradients, the optimizer's state and options, training or
evaluation mode, and the states of the random number generators. A training that follows is the one that would have been.

The curve goes to a CSV file whose first line says what it holds for; `sc-analyze suggest FILE` reads the rate off it, and
is asked at once where it is found. docs/pytorch.md says what the numbers mean, and shows Lightning, fastai and timm.

One file, which needs nothing but PyTorch: copy it where you need it. Written for PyTorch 2.0 and Python 3.9, or later;
tested with PyTorch 2.15 on Python 3.11.
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import copy
import json
import math
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from dataclasses import dataclass, field
from typing import Any, Callable

import torch

__all__ = ["Result", "find_lr"]

# The probe, as sc-probe has it (crates/learner/src/probe.rs).
NOISE_BATCHES = 8  # batches that the noise scale is measured over
CRITICAL_BATCHES = 3  # batches that the critical rate is measured on
CRITICAL_SAMPLES = 64  # samples of each at most: the critical rate hardly depends on their number, its cost does
RAISE = 2.0  # factor between one rate and the next while the critical one is bracketed
FIRST = 0.5  # first rate tried, as a share of Polyak's step
MOST_RAISES = 40  # factors of RAISE after which the search ends without an answer
PRECISION = 1.2  # bisection ends where the bounds are within this factor

# The ramp, as `sc-rangetest --around` lays it (crates/schedules).
AROUND_BELOW = 64.0  # critical rate over the first rate
AROUND_ABOVE = 16.0  # last rate over the critical rate
LEAST_STEPS = 12  # rates that a curve needs at least to be read
# Where there is no critical rate: the ramp of those who know nothing of the net.
BLIND_RAMP = (1e-5, 10.0)
BLIND_RAMP_ADAPTIVE = (1e-7, 1.0)

NAMES = {"sgd", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"}  # optimizers that sc-analyze knows
LEAST_LOSS_SCALE = 2.0**-4  # of float16: below it, a gradient that overflows is taken to be one that has blown up
LINEAR = 0.05  # a step's distance from a straight line, as a share of its length, that passes for a straight line
ANALYZE_SECONDS = 120.0  # sc-analyze answers in milliseconds

Forward = Callable[[torch.nn.Module, Any], Any]


@dataclass
class Result:
    """What find_lr measured. Rates are those of the parameter group with the highest one: see `group_lrs`."""

    critical_lr: float | None
    """Median over the batches (of an even number the lower of the middle two); None where no rate tried raised the loss."""
    critical_interval: tuple[float, float] | None
    """Least and greatest of the batches' critical rates."""
    noise_scale: float | None
    """tr(Sigma) / |G|^2, in samples: the batch size above which larger batches save few steps. None where noise hides the
    gradient, or there were not two batches of one size."""
    iterations: list[int]
    """Steps of the ramp, from 1."""
    lrs: list[float]
    """Rate of each step."""
    losses: list[float]
    """Loss of each step's batch, before the step; not finite where it overflowed."""
    accuracies: list[float | None]
    """Share of each step's batch that was classified correctly; None where that could not be told."""
    setting: dict[str, Any]
    """What it holds for, by the names of the file's first line: optimizer, momentum, weight_decay, batch_size, ..."""
    shares: list[float]
    """Each parameter group's rate as a share of the highest."""
    evaluations: int = 0
    """Losses measured to find the critical rate."""
    suggestion: dict[str, Any] | None = None
    """What `sc-analyze suggest --json` answered; None where it was not found or refused: `advice` says why."""
    advice: str = ""
    """How to go on: where sc-analyze has not answered, how to ask it."""
    warnings: list[str] = field(default_factory=list)
    """What else should be known, sentence by sentence."""

    @property
    def max_lr(self) -> float | None:
        """The highest useful rate that sc-analyze suggests: the peak of 1cycle."""
        return (self.suggestion or {}).get("max_lr")

    @property
    def min_lr(self) -> float | None:
        """The lowest useful rate that it suggests."""
        return (self.suggestion or {}).get("min_lr")

    def group_lrs(self, lr: float | None = None) -> list[float]:
        """The rate of every parameter group where the highest is `lr` (by default `max_lr`), as OneCycleLR takes them."""
        lr = self.max_lr if lr is None else lr
        if lr is None:
            raise ValueError(f"there is no suggested rate: {self.advice or 'sc-analyze suggested none'}")
        return [share * lr for share in self.shares]

    def csv(self) -> str:
        """The curve as text: the line that says what it holds for, a header, a row a step."""
        scored = any(accuracy is not None for accuracy in self.accuracies)
        known = {"critical_lr": self.critical_lr, "noise_scale": self.noise_scale, **self.setting}
        about = " ".join(f"{key}={value}" for key, value in known.items() if value is not None)
        lines = [f"# superconv: {about}", "iteration,lr,train_loss" + (",train_accuracy" if scored else "")]
        for iteration, lr, loss, accuracy in zip(self.iterations, self.lrs, self.losses, self.accuracies):
            cells = [str(iteration), repr(lr), repr(loss)]
            if scored:
                cells.append("" if accuracy is None else repr(accuracy))
            lines.append(",".join(cells))
        return "\n".join(lines) + "\n"

    def write_csv(self, path: str | os.PathLike) -> None:
        """Writes the curve beside `path` and renames it: a file of that name is whole."""
        path = pathlib.Path(path)
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            unfinished.write_text(self.csv(), encoding="utf-8")
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def __str__(self) -> str:
        lines = [f"critical rate of one {self.setting.get('optimizer', 'step')} step {_number(self.critical_lr)}"]
        if self.critical_interval and self.critical_interval[0] != self.critical_interval[1]:
            lines[0] += " ({} to {})".format(*map(_number, self.critical_interval))
        scale = "not measured" if self.noise_scale is None else f"{self.noise_scale:.0f} samples"
        lines[0] += f"; gradient noise scale {scale}"
        if self.suggestion is not None:
            confidence = self.suggestion.get("confidence")
            lines.append(f"highest useful rate {_number(self.max_lr)}, lowest {_number(self.min_lr)}, confidence {confidence}")
            lines += [f"  {reason}" for reason in self.suggestion.get("reasons", [])]
        if self.advice:
            lines.append(self.advice)
        return "\n".join(lines + [f"warning: {warning}" for warning in self.warnings])


def _number(value: float | None) -> str:
    return "none found" if value is None else f"{value:.4g}"


def find_lr(
    model: torch.nn.Module,
    loss_fn: Callable[[Any, Any], torch.Tensor] | None,
    loader: collections.abc.Iterable,
    optimizer: torch.optim.Optimizer,
    steps: int,
    *,
    forward: Forward | None = None,
    for_iterations: int | None = None,
    out: str | os.PathLike | None = None,
    analyze: str | os.PathLike | None = None,
    redraw: Callable[[torch.nn.Module], Any] | None = None,
    before_step: Callable[[torch.nn.Module, torch.optim.Optimizer], Any] | None = None,
    accumulate: int = 1,
    amp: torch.dtype | None = None,
    device: torch.device | str | None = None,
    batch_size: int | None = None,
    noise_batches: int = NOISE_BATCHES,
    critical_batches: int = CRITICAL_BATCHES,
    critical_samples: int = CRITICAL_SAMPLES,
) -> Result:
    """Measures the critical rate and the gradient noise scale, runs a range test around them, and puts everything back.

    The optimizer is the one that the training will use, over the model's parameters, with its weight decay and momentum
    set; of its rates only the proportion between parameter groups counts. It begins afresh in the measurements, as at
    the start of a training, and has its state again afterwards. Schedulers that are attached to it notice nothing.

    Args:
        model: in training mode submodules keep their own modes (frozen batch norm stays frozen); in evaluation mode all
            of it is put into training mode for the time of the measurements.
        loss_fn: `loss_fn(model(x), y)`, the mean over the batch, a scalar. None where `forward` is given.
        loader: gives batches (x, y), or (x1, x2, ..., y), or whatever `forward` takes. Where an epoch ends, the next
            begins. The ramp's first batches are those of the probe.
        optimizer: any of torch.optim but LBFGS, or one that behaves as they do.
        steps: steps of the ramp, at least 12: some 15% to a third of the training's, as far as you can.
        forward: `forward(model, batch)` in place of `loss_fn`, for batches of other kinds. Returns the loss, or
            (loss, logits, labels), from which accuracy and the number of classes are taken.
        for_iterations: optimizer steps of the training that the rate is for; noted in the file.
        out: the CSV file to write; None: none.
        analyze: the program sc-analyze; None: the one on the PATH, if any.
        redraw: `redraw(model)` draws the initial weights anew, in place. The critical rates of the second and further
            batches are then measured at other initial weights each, as sc-probe measures them: by chance, initial weights
            differ more in it than in the rate that they train best at. For trainings from scratch alone.
        before_step: called after each backward pass, before the optimizer's step: the place to clip gradients.
        accumulate: batches of the loader in one step of the ramp.
        amp: dtype of autocast, torch.bfloat16 or torch.float16 (whose loss is scaled here, as a GradScaler does).
        device: where batches are moved to; None: where the model's first parameter is.
        batch_size: samples in a batch, where the first tensor's first dimension does not say.
        noise_batches: batches, of one epoch, that the noise is measured over.
        critical_batches: batches that the critical rate is measured on.
        critical_samples: samples of each of them, at most.

    Raises:
        ValueError: arguments that cannot be used. Nothing has been touched then.
        Any exception of the model, the loader or the optimizer, and KeyboardInterrupt: everything has been put back.
    """
    _check(model, loss_fn, optimizer, steps, forward, accumulate, noise_batches, critical_batches, critical_samples)
    program = _program(analyze)
    if out is not None and not pathlib.Path(out).parent.is_dir():
        raise ValueError(f"out: expected a folder that exists, found {pathlib.Path(out).parent}")
    said: list[str] = []
    saved = _Saved(model, loss_fn, loader, optimizer, said)
    try:
        with torch.enable_grad():
            if not model.training:
                model.train()
            source = _Source(loader, batch_size)
            learner = _Learner(model, optimizer, forward or _pairs(loss_fn), saved, source, device, amp, before_step)
            ahead = source.read_ahead(max(noise_batches, critical_batches))
            noise_scale = _noise_scale(learner, source.of_one_size(ahead[:noise_batches]), said)
            pieces = source.pieces(ahead, critical_batches, critical_samples)
            critical, evaluations = _critical_rates(learner, pieces, redraw, said)
            saved.put_back_start()
            ends = _ends(_median(critical), optimizer, said)
            rows = _ramp(learner, source.after(ahead), _rates(*ends, steps), accumulate)
            setting = _setting(optimizer, source.samples(ahead[0]), accumulate, for_iterations, learner.classes)
    finally:
        with _undisturbed():
            saved.put_back()
    result = Result(
        critical_lr=_median(critical),
        critical_interval=(min(critical), max(critical)) if critical else None,
        noise_scale=noise_scale,
        iterations=list(range(1, len(rows) + 1)),
        lrs=[lr for lr, _, _ in rows],
        losses=[loss for _, loss, _ in rows],
        accuracies=[accuracy for _, _, accuracy in rows],
        setting=setting,
        shares=learner.shares,
        evaluations=evaluations,
        warnings=said,
    )
    if out is not None:
        result.write_csv(out)
    _suggest(result, program, out)
    for sentence in said:
        warnings.warn(sentence, stacklevel=2)
    return result


def _check(model, loss_fn, optimizer, steps, forward, accumulate, noise_batches, critical_batches, critical_samples):
    """Refuses what cannot be used, before anything is touched."""
    if loss_fn is None and forward is None:
        raise ValueError("expected loss_fn, or forward(model, batch) that returns the loss; found neither")
    least = {
        "steps": (steps, LEAST_STEPS),
        "accumulate": (accumulate, 1),
        "noise_batches": (noise_batches, 2),
        "critical_batches": (critical_batches, 1),
        "critical_samples": (critical_samples, 1),
    }
    for name, (value, lowest) in least.items():
        if value < lowest:
            raise ValueError(f"{name}: expected at least {lowest}, found {value}")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError("LBFGS searches along its line by itself: it takes no rate from a range test")
    if any(isinstance(p, torch.nn.parameter.UninitializedTensorMixin) for p in model.parameters()):
        raise ValueError("the model has lazy layers without weights: pass one batch through it first")
    if not any(p.requires_grad for group in optimizer.param_groups for p in group["params"]):
        raise ValueError("none of the optimizer's parameters requires a gradient")


# ------------------------------------------------------------------------------------------------------- putting back


class _Saved:
    """Everything that the measurements change, as it was."""

    def __init__(self, model, loss_fn, loader, optimizer, said: list[str]):
        self.modules = modules = [module for module in (model, loss_fn) if isinstance(module, torch.nn.Module)]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.random = _Random()
        self.loader = _Loader(loader, said)
        self.modes = [(part, part.training) for module in modules for part in module.modules()]
        self.weights = _Weights(modules, parameters)
        self.gradients = [(p, p.grad) for p in _unique([*parameters, *(p for m in modules for p in m.parameters())])]
        self.optimizer = _OptimizerState(optimizer)

    def put_back(self) -> None:
        self.weights.put_back()
        for part, training in self.modes:
            part.training = training
        for parameter, gradient in self.gradients:
            parameter.grad = gradient
        self.optimizer.put_back()
        self.loader.put_back()
        self.random.put_back()  # last: the steps before may have ended workers, which draw

    def put_back_start(self) -> None:
        """Weights, buffers and random numbers as at the start, the optimizer afresh: the measurements go on."""
        self.weights.put_back()
        self.optimizer.begin_afresh()
        self.random.put_back()

    def clear_gradients(self) -> None:
        """Gradients that were there before stay whole: they are set aside, not written over."""
        for parameter, _ in self.gradients:
            parameter.grad = None


def _unique(tensors) -> list[torch.Tensor]:
    return list({id(tensor): tensor for tensor in tensors if tensor is not None}.values())


class _Weights:
    """Parameters and buffers of some modules, and further parameters: which tensors they are, and what they hold."""

    def __init__(self, modules, parameters):
        tables = [table for m in modules for part in m.modules() for table in (part._parameters, part._buffers)]
        self.tables = [(table, dict(table)) for table in tables]
        tensors = _unique([*parameters, *(tensor for table in tables for tensor in table.values())])
        self.copies = [(tensor, tensor.detach().clone()) for tensor in tensors]

    @torch.no_grad()
    def put_back(self) -> None:
        for table, before in self.tables:
            for name in [name for name in table if name not in before]:
                del table[name]
            table.update(before)
        for tensor, values in self.copies:
            # A buffer that is an expanded view cannot be written to, and need not be.
            if tensor.requires_grad or not torch.equal(tensor, values):
                tensor.copy_(values)


class _OptimizerState:
    """An optimizer's state, its groups' options, and the plain attributes that it and schedulers note things in."""

    def __init__(self, optimizer: torch.optim.Optimizer):
        self.optimizer = optimizer
        self.state = optimizer.state
        self.groups = [self.options(group) for group in optimizer.param_groups]
        self.notes = self.plain_attributes()

    @staticmethod
    def options(group) -> dict[str, Any]:
        """Every option of a group with what it holds; a tensor's contents are copied beside it."""
        kept = {}
        for name, value in group.items():
            if torch.is_tensor(value):
                kept[name] = (value, value.detach().clone())
            elif name != "params":
                kept[name] = (value, copy.deepcopy(value))
        return kept

    def plain_attributes(self) -> dict[str, Any]:
        plain = (bool, int, float, str, type(None))
        return {name: value for name, value in vars(self.optimizer).items() if isinstance(value, plain)}

    @torch.no_grad()
    def put_back_options(self) -> None:
        for group, kept in zip(self.optimizer.param_groups, self.groups):
            for name in [name for name in group if name not in kept and name != "params"]:
                del group[name]
            for name, (value, contents) in kept.items():
                if torch.is_tensor(value):
                    value.copy_(contents)
                    group[name] = value
                else:
                    group[name] = copy.deepcopy(contents)

    def put_back(self) -> None:
        self.optimizer.state = self.state
        self.put_back_options()
        for name in self.plain_attributes():
            if name not in self.notes:
                delattr(self.optimizer, name)
        vars(self.optimizer).update(self.notes)

    def begin_afresh(self) -> None:
        """No state, as before the first step. The state that was there is set aside, not written over."""
        fresh = collections.defaultdict(dict)
        if isinstance(self.optimizer, torch.optim.Adagrad):  # alone makes its state when it is made
            for group in self.optimizer.param_groups:
                start = group.get("initial_accumulator_value", 0.0)
                for p in (p for p in group["params"] if "sum" in self.state.get(p, ())):
                    before = self.state[p]
                    fresh[p] = {"step": torch.zeros_like(before["step"]), "sum": torch.full_like(before["sum"], start)}
        self.optimizer.state = fresh
        self.put_back_options()


class _Random:
    """The random number generators that everybody shares: Python's, NumPy's where it is loaded, PyTorch's on every device
    in use."""

    def __init__(self):
        self.python = random.getstate()
        numpy = sys.modules.get("numpy")
        self.numpy = numpy.random.get_state() if numpy is not None else None
        self.torch = torch.get_rng_state()
        self.devices = []
        for name in ("cuda", "xpu"):
            backend = getattr(torch, name, None)
            if backend is not None and backend.is_available() and backend.is_initialized():
                self.devices.append((backend.set_rng_state_all, backend.get_rng_state_all()))
        if getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
            self.devices.append((torch.mps.set_rng_state, torch.mps.get_rng_state()))

    def put_back(self) -> None:
        random.setstate(self.python)
        if self.numpy is not None:
            sys.modules["numpy"].random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        for set_state, states in self.devices:
            set_state(states)


class _Loader:
    """What a loader remembers: generators of its own, its sampler's and its data set's, and the iterator whose workers
    stay alive. What an iterator has already given cannot be put back."""

    PARTS = ("sampler", "batch_sampler", "dataset", "loader", "dataloader", "base_dataloader")

    def __init__(self, loader, said: list[str]):
        self.loader = loader
        self.generators = [kept for part in self.parts(loader, []) for kept in self.generators_of(part)]
        self.idle = getattr(loader, "_iterator", None) is None
        if _is_iterator(loader):
            said.append("the loader is an iterator: the batches taken from it are gone; pass a DataLoader to keep them")
        elif not self.idle:
            said.append("the loader's persistent workers had already begun: their random states cannot be put back")

    @classmethod
    def parts(cls, thing, found: list) -> list:
        if hasattr(thing, "__dict__") and all(thing is not other for other in found):
            found.append(thing)
            for name in cls.PARTS:
                cls.parts(vars(thing).get(name), found)
        return found

    @staticmethod
    def generators_of(part):
        numpy = sys.modules.get("numpy")
        for name, value in vars(part).items():
            if isinstance(value, torch.Generator):
                yield part, name, value, value.set_state, value.get_state()
            elif isinstance(value, random.Random):
                yield part, name, value, value.setstate, value.getstate()
            elif numpy is not None and isinstance(value, numpy.random.RandomState):
                yield part, name, value, value.set_state, value.get_state()
            elif numpy is not None and isinstance(value, numpy.random.Generator):
                bits = value.bit_generator
                yield part, name, value, lambda state, bits=bits: setattr(bits, "state", state), bits.state

    def put_back(self) -> None:
        if self.idle and getattr(self.loader, "_iterator", None) is not None:
            self.loader._iterator = None  # persistent workers end; the next epoch starts fresh ones
        for part, name, generator, set_state, state in self.generators:
            vars(part)[name] = generator
            set_state(state)


@contextlib.contextmanager
def _undisturbed():
    """Holds Ctrl-C back until everything has been put back."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    held = []
    signal.signal(signal.SIGINT, lambda *arguments: held.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            before(*held[0])


# ------------------------------------------------------------------------------------------------------------ batches


def _is_iterator(loader) -> bool:
    return isinstance(loader, collections.abc.Iterator)


class _Source:
    """The loader's batches, epoch after epoch."""

    def __init__(self, loader, batch_size: int | None):
        self.loader, self.batch_size = loader, batch_size
        self.iterator = None
        self.given = 0

    def next_of_epoch(self):
        """The next batch, or StopIteration where the epoch ends; the call after that begins the next epoch."""
        if self.iterator is None:
            self.iterator = iter(self.loader)
        try:
            batch = next(self.iterator)
        except StopIteration:
            self.iterator = None
            raise
        self.given += 1
        return batch

    def next(self):
        """The next batch, of this epoch or the next."""
        with contextlib.suppress(StopIteration):
            return self.next_of_epoch()
        if _is_iterator(self.loader):
            raise ValueError(f"the loader ended after {self.given} batches and cannot begin again: pass a DataLoader")
        try:
            return self.next_of_epoch()
        except StopIteration:
            raise ValueError(f"expected batches from the loader, found none after {self.given}") from None

    def read_ahead(self, count: int) -> list:
        """So many batches, or those of the first epoch where it has fewer."""
        batches = [self.next()]
        with contextlib.suppress(StopIteration):
            while len(batches) < count:
                batches.append(self.next_of_epoch())
        return batches

    def after(self, ahead: list):
        """Those read ahead once more, and all that follow."""
        yield from ahead
        while True:
            yield self.next()

    def samples(self, batch) -> int | None:
        """Samples in a batch: as said, or the first dimension of its first tensor."""
        if self.batch_size is not None:
            return self.batch_size
        return next((tensor.shape[0] for tensor in _tensors(batch) if tensor.dim() > 0), None)

    def of_one_size(self, batches: list) -> list:
        """Those as large as the first: the last of an epoch may be smaller."""
        return [batch for batch in batches if self.samples(batch) == self.samples(batches[0])]

    def pieces(self, batches: list, count: int, samples: int) -> list:
        """The first samples of so many batches; where there are fewer batches, further samples of the first."""
        first = batches[0]
        size = self.samples(first)
        pieces = [_cut(batch, 0, samples, size) for batch in self.of_one_size(batches)[:count]]
        start = samples
        while len(pieces) < count and size is not None and start + samples <= size:
            pieces.append(_cut(first, start, samples, size))
            start += samples
        return pieces


def _tensors(batch):
    if torch.is_tensor(batch):
        yield batch
    elif isinstance(batch, collections.abc.Mapping):
        for value in batch.values():
            yield from _tensors(value)
    elif isinstance(batch, (list, tuple)):
        for value in batch:
            yield from _tensors(value)


def _rebuilt(batch, change):
    """The same structure with each leaf changed."""
    if isinstance(batch, collections.abc.Mapping):
        return {name: change(value) for name, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*map(change, batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(map(change, batch))
    return batch


def _cut(batch, start: int, count: int, size: int | None):
    """Samples start to start + count - 1 of a batch of `size`: of every tensor and list of that length."""
    if size is None or size <= count:
        return batch
    if torch.is_tensor(batch):
        return batch[start : start + count] if batch.dim() > 0 and batch.shape[0] == size else batch
    if isinstance(batch, (list, tuple)) and len(batch) == size:
        return batch[start : start + count]
    return _rebuilt(batch, lambda part: _cut(part, start, count, size))


def _moved(batch, device):
    if torch.is_tensor(batch):
        return batch.to(device, non_blocking=True)
    if not isinstance(batch, collections.abc.Mapping) and callable(getattr(batch, "to", None)):
        return batch.to(device)
    return _rebuilt(batch, lambda part: _moved(part, device))


# ----------------------------------------------------------------------------------------------------- losses and steps


def _pairs(loss_fn) -> Forward:
    """The usual forward pass, for batches (x, y) or (x1, x2, ..., y)."""

    def forward(model, batch):
        if not isinstance(batch, (list, tuple)) or len(batch) < 2:
            found = type(batch).__name__
            raise ValueError(f"expected batches (x, y), found a {found}: pass forward=lambda model, batch: loss")
        *inputs, labels = batch
        output = model(*inputs)
        return loss_fn(output, labels), output, labels

    return forward


def _score(output, labels) -> tuple[float | None, int | None]:
    """Share of right answers and number of classes, where output and labels are those of a classifier."""
    if not (torch.is_tensor(output) and torch.is_tensor(labels)) or output.dim() < 2 or output.shape[1] < 2:
        return None, None
    if labels.is_floating_point() or labels.dtype == torch.bool or labels.shape != output.shape[:1] + output.shape[2:]:
        return None, None
    classes = output.shape[1]
    counted = (labels >= 0) & (labels < classes)
    right = ((output.argmax(1) == labels) & counted).sum().item()
    return (right / counted.sum().item() if counted.any() else None), classes


class _Learner:
    """The model under its optimizer: the loss of a batch, its gradient, a step."""

    def __init__(self, model, optimizer, forward, saved, source, device, amp, before_step):
        self.model, self.optimizer, self.forward, self.saved, self.source = model, optimizer, forward, saved, source
        self.before_step, self.amp = before_step, amp
        self.parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        self.device = torch.device(device) if device is not None else self.parameters[0].device
        self.shares = _shares(optimizer)
        self.loss_scale = 2.0**16 if amp == torch.float16 else 1.0
        self.classes: int | None = None

    def loss(self, batch) -> tuple[torch.Tensor, float | None]:
        """The mean loss of a batch, and the share of right answers where it can be told."""
        autocast = torch.autocast(self.device.type, dtype=self.amp) if self.amp else contextlib.nullcontext()
        with autocast:
            answer = self.forward(self.model, _moved(batch, self.device))
        loss, output, labels = answer if isinstance(answer, tuple) else (answer, None, None)
        if not torch.is_tensor(loss) or loss.numel() != 1:
            found = f"shape {tuple(loss.shape)}" if torch.is_tensor(loss) else type(loss).__name__
            raise ValueError(f"expected a scalar loss, the mean over the batch; found {found}")
        with torch.no_grad():
            accuracy, classes = _score(output, labels)
        self.classes = classes or self.classes
        return loss.float() if loss.dtype in (torch.float16, torch.bfloat16) else loss, accuracy

    def gradient(self, batches: list) -> tuple[float, float | None, bool]:
        """Leaves the mean gradient over batches in the parameters. Returns loss, accuracy, and whether all are finite."""
        while True:
            self.saved.clear_gradients()
            losses, accuracies = [], []
            for batch in batches:
                loss, accuracy = self.loss(batch)
                (loss * (self.loss_scale / len(batches))).backward()
                losses.append(loss.item())
                accuracies.append(accuracy)
            gradients = self.gradients()
            finite = all(map(math.isfinite, losses)) and _all_finite(gradients)
            overflown = self.amp == torch.float16 and all(map(math.isfinite, losses)) and not finite
            if not overflown or self.loss_scale <= LEAST_LOSS_SCALE:
                break
            self.loss_scale /= 2.0
        if self.loss_scale != 1.0:
            for gradient in gradients:
                gradient.div_(self.loss_scale)
        accuracy = None if None in accuracies else sum(accuracies) / len(accuracies)
        return sum(losses) / len(losses), accuracy, finite

    def gradients(self) -> list[torch.Tensor]:
        """Those of the parameters that have one."""
        return [p.grad for p in self.parameters if p.grad is not None]

    def step(self, lr: float) -> None:
        """The optimizer's step along the gradient at hand, at this rate of the group with the highest."""
        if self.before_step is not None:
            self.before_step(self.model, self.optimizer)
        for group, share in zip(self.optimizer.param_groups, self.shares):
            if torch.is_tensor(group["lr"]):
                group["lr"].fill_(share * lr)
            else:
                group["lr"] = share * lr
        self.optimizer.step()


def _shares(optimizer) -> list[float]:
    """Each group's rate as a share of the highest: of the present rates, or where a scheduler's warm-up has set these to
    0, of the initial ones; else all are equal."""
    for name in ("lr", "initial_lr"):
        rates = [float(group.get(name, 0.0)) for group in optimizer.param_groups]
        if max(rates) > 0.0:
            return [rate / max(rates) for rate in rates]
    return [1.0] * len(optimizer.param_groups)


@torch.no_grad()
def _all_finite(tensors) -> bool:
    return all(bool(torch.isfinite(t._values() if t.is_sparse else t).all()) for t in tensors)


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    """In float32 at least."""
    return tensor.detach() if tensor.dtype == torch.float64 else tensor.detach().float()


def _double(device: torch.device) -> torch.dtype:
    """What sums are taken in: float64, which mps does not have."""
    return torch.float32 if device.type == "mps" else torch.float64


def _squared(tensors) -> float:
    """Sum of all squares."""
    norms = (torch.linalg.vector_norm(t, dtype=_double(t.device)).item() for t in tensors if t.numel() > 0)
    return sum(norm * norm for norm in norms)


# ---------------------------------------------------------------------------------------------------------- the probe


def _noise_scale(learner: _Learner, batches: list, said: list[str]) -> float | None:
    """The simple noise scale tr(Sigma) / |G|^2, in samples, by the two-batch estimate of McCandlish et al. (appendix A.1):
    batches of b samples, and all of them together, B samples.

    |G|^2 = (B |g_B|^2 - b |g_b|^2) / (B - b), tr(Sigma) = (|g_b|^2 - |g_B|^2) / (1/b - 1/B),

    with |g_b|^2 the mean over the batches.
    """
    b = learner.source.samples(batches[0])
    if len(batches) < 2 or b is None:
        said.append("the gradient noise scale was not measured: that takes two batches of one, known size in an epoch")
        return None
    total: dict[int, torch.Tensor] = {}
    small = 0.0
    for batch in batches:
        learner.saved.put_back_start()
        learner.gradient([batch])
        gradients = [_wide(g.to_dense() if g.is_sparse else g) for g in learner.gradients()]
        small += _squared(gradients) / len(batches)
        for parameter, gradient in zip((p for p in learner.parameters if p.grad is not None), gradients):
            sum_so_far = total.get(id(parameter))
            total[id(parameter)] = gradient.clone() if sum_so_far is None else sum_so_far.add_(gradient)
    large = _squared(total.values()) / len(batches) ** 2
    all_samples = b * len(batches)
    squared = (all_samples * large - b * small) / (all_samples - b)
    variance = (small - large) / (1.0 / b - 1.0 / all_samples)
    if not squared > 0.0:
        said.append("noise hides the gradient: its noise scale takes more batches (noise_batches) or larger ones")
        return None
    return max(variance, 0.0) / squared


def _critical_rates(learner: _Learner, pieces: list, redraw, said: list[str]) -> tuple[list[float], int]:
    """The critical rates that were found, and the losses measured for them."""
    found, evaluations = [], 0
    drawn = learner.saved.random
    for k, piece in enumerate(pieces):
        learner.saved.put_back_start()
        if redraw is not None and k > 0:  # the first batch keeps the weights given
            drawn.put_back()
            redraw(learner.model)
            drawn = _Random()
        line = _Line(learner, piece)
        rate = line.critical_rate()
        evaluations += line.evaluations
        if rate is not None:
            found.append(rate)
            if k == 0 and not line.is_straight(rate):
                said.append(
                    "the optimizer's step is not in proportion to its rate: the critical rate is that of a step at rate 1, "
                    "shortened or lengthened"
                )
    if not found:
        said.append("no critical rate was found: no rate tried raised the loss of its own batch")
    return found, evaluations


def _median(rates: list[float]) -> float | None:
    """Of an even number the lower of the middle two: too high a rate costs more than too low a one."""
    return sorted(rates)[(len(rates) - 1) // 2] if rates else None


class _Line:
    """The line that the optimizer's first step goes along: start + rate x direction.

    Every loss along it is taken in training mode (batch norm by the batch's own statistics) from the same buffers and
    random numbers, so that dropout is the same throughout.
    """

    def __init__(self, learner: _Learner, batch):
        self.learner, self.batch = learner, batch
        self.evaluations = 0
        self.random = _Random()
        self.start = _Weights(learner.saved.modules, learner.parameters)
        self.from_values = [p.detach().clone() for p in learner.parameters]
        _, _, self.finite = learner.gradient([batch])
        gradients = [None if p.grad is None else p.grad.detach().clone() for p in learner.parameters]
        learner.step(1.0)  # a step is linear in its rate, so the step at rate 1 is its direction
        self.direction = self.moved()
        self.slope = -sum(_dot(g, d) for g, d in zip(gradients, self.direction) if g is not None)

    def moved(self) -> list[torch.Tensor]:
        """How far the parameters are from the start."""
        return [_wide(p) - _wide(start) for p, start in zip(self.learner.parameters, self.from_values)]

    def critical_rate(self) -> float | None:
        """Bracketed by factors of 2, then bisected in log rate. The search begins below Polyak's step, the loss over its slope
        along the step, of which the critical rate is 4 times where the quadratic's least loss is 0."""
        start = self.loss(0.0)
        first = FIRST * (abs(start) or 1.0) / self.slope if self.slope > 0.0 else math.nan
        bracket = self.bracket(start, first) if self.finite and math.isfinite(first) else None
        if bracket is None:
            return None
        low, high = bracket
        while high / low > PRECISION:
            middle = math.sqrt(low * high)
            if self.loss(middle) < start:
                low = middle
            else:
                high = middle
        return math.sqrt(low * high)

    def bracket(self, start: float, first: float) -> tuple[float, float] | None:
        """A rate that lowers the loss, and one a factor of RAISE above that does not."""
        rate, falls_at_first = first, self.loss(first) < start
        for _ in range(MOST_RAISES):
            following = rate * RAISE if falls_at_first else rate / RAISE
            falls = self.loss(following) < start
            if falls != falls_at_first:
                return (following, rate) if falls else (rate, following)
            rate = following
        return None

    @torch.no_grad()
    def loss(self, lr: float) -> float:
        """The batch's mean loss after a step at rate `lr`; not finite where it overflows."""
        self.evaluations += 1
        self.start.put_back()
        for p, start, direction in zip(self.learner.parameters, self.from_values, self.direction):
            p.copy_(_wide(start) + lr * direction)
        self.random.put_back()
        return self.learner.loss(self.batch)[0].item()

    def is_straight(self, lr: float) -> bool:
        """Whether a step that is really taken at rate `lr` ends where the line says."""
        self.start.put_back()
        self.learner.saved.optimizer.begin_afresh()
        self.random.put_back()
        self.learner.gradient([self.batch])
        self.learner.step(lr)
        off = [moved - lr * direction for moved, direction in zip(self.moved(), self.direction)]
        return _squared(off) <= (LINEAR * lr) ** 2 * _squared(self.direction)


def _dot(a: torch.Tensor, b: torch.Tensor) -> float:
    dtype = _double(b.device)
    a = a.to_dense() if a.is_sparse else a
    return (a.to(dtype) * b.to(dtype)).sum().item()


# ----------------------------------------------------------------------------------------------------------- the ramp


def _ends(critical: float | None, optimizer, said: list[str]) -> tuple[float, float]:
    """First and last rate of the ramp."""
    if critical is not None:
        return critical / AROUND_BELOW, critical * AROUND_ABOVE
    adaptive = any("betas" in group or "alpha" in group for group in optimizer.param_groups)
    ends = BLIND_RAMP_ADAPTIVE if adaptive else BLIND_RAMP
    said.append(f"the ramp was laid from {ends[0]:g} to {ends[1]:g}, for want of a critical rate")
    return ends


def _rates(low: float, high: float, steps: int) -> list[float]:
    """Step k of N at the fraction (k-1)/(N-1) of the ramp, by equal factors; both ends exact."""
    return [low * (high / low) ** (k / (steps - 1)) for k in range(steps - 1)] + [high]


def _ramp(learner: _Learner, batches, rates: list[float], accumulate: int) -> list[tuple[float, float, float | None]]:
    """Trains at each rate in turn: (rate, loss, accuracy) of every step. A loss that is not finite is recorded; the ramp
    ends where the weights are not, for nothing can follow."""
    rows = []
    for lr in rates:
        loss, accuracy, finite = learner.gradient([next(batches) for _ in range(accumulate)])
        learner.step(lr)
        rows.append((lr, loss, accuracy))
        if not finite and not _all_finite(learner.parameters):
            break
    return rows


# --------------------------------------------------------------------------------------------- what it holds for, and says


def _setting(optimizer, samples: int | None, accumulate: int, for_iterations: int | None, classes: int | None):
    """What a curve holds for. Options that differ between groups are those of the group with the most weights."""
    group = max(optimizer.param_groups, key=lambda group: sum(p.numel() for p in group["params"]))
    momentum = group.get("momentum")
    if "betas" in group:
        momentum = group["betas"][0]
    elif momentum is None and _name(optimizer, group) in NAMES:
        momentum = 0.0
    decay = group.get("weight_decay")
    return {
        "optimizer": _name(optimizer, group),
        "momentum": None if momentum is None else float(momentum),
        "weight_decay": None if decay is None else float(decay),
        "batch_size": None if samples is None else samples * accumulate,
        "for_iterations": for_iterations,
        "classes": classes,
    }


def _name(optimizer, group) -> str:
    """The optimizer as sc-analyze calls it; one that it does not know by the name of its class."""
    name = type(optimizer).__name__.lower()
    if name == "adam" and group.get("decoupled_weight_decay"):
        return "adamw"
    return "nesterov" if name == "sgd" and group.get("nesterov") else name


def _program(analyze) -> str | None:
    """Where sc-analyze is."""
    if analyze is None:
        return shutil.which("sc-analyze")
    found = shutil.which(os.fspath(analyze))
    if found is None:
        raise ValueError(f"analyze: expected a program, found none at {os.fspath(analyze)}")
    return found


def _suggest(result: Result, program: str | None, out) -> None:
    """Asks sc-analyze, or says how to ask."""
    how = f"sc-analyze suggest {out if out is not None else 'FILE, after result.write_csv(FILE)'}"
    if program is None:
        result.advice = f"sc-analyze was not found, which reads the rate off the curve; ask it: {how}"
        return
    with tempfile.TemporaryDirectory() as folder:
        path = out if out is not None else pathlib.Path(folder, "range-test.csv")
        if out is None:
            result.write_csv(path)
        try:
            answer = subprocess.run(
                [program, "suggest", os.fspath(path), "--json"],
                capture_output=True,
                text=True,
                timeout=ANALYZE_SECONDS,
                check=False,
            )
            result.suggestion = json.loads(answer.stdout) if answer.returncode == 0 else None
            said = answer.stderr.strip()
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            said = str(error)
    if result.suggestion is None:
        result.advice = f"{program} did not answer ({said}); ask it: {how}"
