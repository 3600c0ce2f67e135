"""Tests of superconv_lr.py, with nothing but torch and the standard library.

    make test-pytorch PEER_PYTHON=python3            everything
    python3 integrations/test_superconv_lr.py -k PutBack     one class

The programs that it is compared with lie in target/release, or where SUPERCONV_BIN says. Usage with torchvision, timm,
Lightning and fastai is tested where these are installed, and skipped, by name, where they are not.
"""

import copy
import importlib.util
import itertools
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
import unittest
import warnings

import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "parity")]

import superconv_lr  # noqa: E402
from superconv_lr import Result, find_lr  # noqa: E402

PROGRAMS = pathlib.Path(os.environ.get("SUPERCONV_BIN", ROOT / "target" / "release"))
torch.set_num_threads(1)


class Net(nn.Module):
    """Batch norm, dropout, a frozen layer, and a buffer that is no part of the state_dict."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.body = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(16, 3)
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, x):
        if self.training:
            self.seen += 1
        return self.head(self.body(self.frozen(x)))


def examples(count=96, noise=0.5):
    """Three classes of eight numbers."""
    generator = torch.Generator().manual_seed(5)
    y = torch.arange(count) % 3
    x = torch.eye(3, 8)[y] * 2 + noise * torch.randn(count, 8, generator=generator)
    return torch.utils.data.TensorDataset(x, y)


def shuffled(count=96, batch_size=16, **options):
    return torch.utils.data.DataLoader(examples(count), batch_size=batch_size, shuffle=True, **options)


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "plain sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=torch.tensor(1e-3), weight_decay=0.05),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.9, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2, initial_accumulator_value=0.1),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=1.0),
}


def bits(value):
    """A value that is equal where, and only where, all that it was made from is the same to the bit."""
    if torch.is_tensor(value):
        raw = value.detach().cpu().contiguous().flatten()
        return str(value.dtype), tuple(value.shape), bytes(raw.view(torch.uint8).tolist()) if raw.numel() else b""
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [bits(item) for item in value]
    return value.tobytes() if hasattr(value, "tobytes") else value


def everything(net, optimizer):
    """All that find_lr may touch."""
    numpy = sys.modules.get("numpy")
    return bits(
        {
            "weights and buffers": dict(itertools.chain(net.named_parameters(), net.named_buffers())),
            "which tensors": [id(tensor) for tensor in itertools.chain(net.parameters(), net.buffers())],
            "gradients": [p.grad for p in net.parameters()],
            "which gradients": [id(p.grad) for p in net.parameters()],
            "modes": [module.training for module in net.modules()],
            "optimizer": optimizer.state_dict(),
            "notes": {name: value for name, value in vars(optimizer).items() if isinstance(value, (bool, int))},
            "torch": torch.get_rng_state(),
            "python": random.getstate(),
            "numpy": list(numpy.random.get_state()) if numpy else None,
        }
    )


def train(net, optimizer, loader, epochs=1):
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()


def begun(make, epochs=1):
    """A net and its optimizer in the middle of a training."""
    torch.manual_seed(3)
    random.seed(3)
    net = Net()
    optimizer = make([p for p in net.parameters() if p.requires_grad])
    train(net, optimizer, shuffled(), epochs)
    return net, optimizer


class PutBack(unittest.TestCase):
    """Nothing is left behind."""

    def test_to_the_bit_whatever_the_optimizer(self):
        for (name, make), epochs in itertools.product(OPTIMIZERS.items(), (0, 1)):
            with self.subTest(optimizer=name, epochs=epochs):
                net, optimizer = begun(make, epochs)
                net.eval()
                net.body[1].train()
                before = everything(net, optimizer)
                result = find_lr(net, F.cross_entropy, shuffled(), optimizer, 12)
                self.assertEqual(everything(net, optimizer), before)
                self.assertIsNotNone(result.critical_lr)
                self.assertEqual(len(result.losses), 12)

    def test_gradients_that_were_none_stay_none(self):
        net, optimizer = begun(OPTIMIZERS["sgd"])
        optimizer.zero_grad(set_to_none=True)
        find_lr(net, F.cross_entropy, shuffled(), optimizer, 12)
        self.assertTrue(all(p.grad is None for p in net.parameters()))

    def test_the_training_that_follows_is_the_one_that_would_have_been(self):
        """Order, dropout, momentum: a training after find_lr ends at the same bits as one without."""
        own = torch.Generator()
        loaders = {
            "shared generator": lambda: shuffled(),
            "own generator": lambda: shuffled(generator=own.manual_seed(8)),
            "persistent workers": lambda: shuffled(num_workers=1, persistent_workers=True),
        }
        for name, loader in loaders.items():
            for make in (OPTIMIZERS["sgd"], OPTIMIZERS["adamw"]):
                ends = []
                for find in (False, True):
                    net, optimizer = begun(make)
                    batches = loader()
                    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=20)
                    if find:
                        find_lr(net, F.cross_entropy, batches, optimizer, 15)
                    train(net, optimizer, batches)
                    schedule.step()
                    ends.append((everything(net, optimizer)["weights and buffers"], bits(optimizer.state_dict())))
                with self.subTest(loader=name):
                    self.assertEqual(ends[0], ends[1])

    def test_a_data_set_with_a_generator_of_its_own(self):
        class Noisy(torch.utils.data.Dataset):
            def __init__(self):
                self.random = random.Random(4)

            def __len__(self):
                return 64

            def __getitem__(self, k):
                return torch.randn(8) + self.random.random(), k % 3

        loader = torch.utils.data.DataLoader(Noisy(), batch_size=16)
        net, optimizer = begun(OPTIMIZERS["sgd"])
        before = loader.dataset.random.getstate()
        find_lr(net, F.cross_entropy, loader, optimizer, 12)
        self.assertEqual(loader.dataset.random.getstate(), before)

    def test_after_an_exception_wherever_it_comes(self):
        for at in (1, 4, 9, 15, 30):
            net, optimizer = begun(OPTIMIZERS["adam"])
            before = everything(net, optimizer)
            calls = itertools.count(1)

            def failing(output, y):
                if next(calls) == at:
                    raise RuntimeError("out of memory")
                return F.cross_entropy(output, y)

            with self.subTest(at=at), self.assertRaisesRegex(RuntimeError, "out of memory"):
                find_lr(net, failing, shuffled(), optimizer, 12)
            self.assertEqual(everything(net, optimizer), before)

    def test_after_an_interrupt_even_a_second_one_while_putting_back(self):
        net, optimizer = begun(OPTIMIZERS["adamw"])
        before = everything(net, optimizer)
        calls = itertools.count(1)

        def interrupted(output, y):
            if next(calls) == 20:
                os.kill(os.getpid(), signal.SIGINT)
            return F.cross_entropy(output, y)

        put_back = superconv_lr._Weights.put_back

        def impatient(self):
            if sys.exc_info()[0] is KeyboardInterrupt:
                os.kill(os.getpid(), signal.SIGINT)
            put_back(self)

        superconv_lr._Weights.put_back = impatient
        try:
            with self.assertRaises(KeyboardInterrupt):
                find_lr(net, interrupted, shuffled(), optimizer, 12)
        finally:
            superconv_lr._Weights.put_back = put_back
        self.assertEqual(everything(net, optimizer), before)
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_attached_schedulers_notice_nothing(self):
        net, optimizer = begun(OPTIMIZERS["sgd"], epochs=0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.4, total_steps=50)
        before = bits(schedule.state_dict()), everything(net, optimizer)
        find_lr(net, F.cross_entropy, shuffled(), optimizer, 12)
        self.assertEqual((bits(schedule.state_dict()), everything(net, optimizer)), before)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            schedule.step()  # PyTorch must still know that no step has been taken
        self.assertTrue(any("before `optimizer.step()`" in str(w.message) for w in caught), [str(w) for w in caught])

    def test_what_an_optimizer_counts_by_itself(self):
        class Counting(torch.optim.SGD):
            taken = 0

            def step(self, closure=None):
                self.taken += 1
                self.param_groups[0]["k"] = self.taken
                return super().step(closure)

        net, optimizer = begun(lambda p: Counting(p, lr=0.1))
        before = everything(net, optimizer)
        self.assertEqual(before["notes"]["taken"], 6)
        find_lr(net, F.cross_entropy, shuffled(), optimizer, 12)
        self.assertEqual(everything(net, optimizer), before)

    def test_what_a_loss_with_weights_has_learnt_and_buffers_that_are_replaced(self):
        class CenterLoss(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = nn.Parameter(torch.ones(()))
                self.register_buffer("mean", torch.zeros(()))

            def forward(self, output, y):
                self.mean = 0.9 * self.mean + output.detach().mean()  # another tensor each time
                return F.cross_entropy(self.scale * output, y)

        net, loss = Net(), CenterLoss()
        optimizer = torch.optim.SGD([*net.parameters(), *loss.parameters()], lr=0.1)
        mean = loss.mean
        before = everything(net, optimizer), bits(loss.state_dict())
        find_lr(net, loss, shuffled(), optimizer, 12)
        self.assertEqual((everything(net, optimizer), bits(loss.state_dict())), before)
        self.assertIs(loss.mean, mean)


class Measured(unittest.TestCase):
    """The numbers, where they can be worked out."""

    @staticmethod
    def quadratic(curvatures, optimizer, **options):
        """Loss (1/2) sum_i h_i w_i^2 from w = 1, the same for every batch."""
        net = nn.Module()
        net.w = nn.Parameter(torch.ones(len(curvatures), dtype=torch.float64))
        h = torch.tensor(curvatures, dtype=torch.float64)
        batches = [torch.zeros(16)] * 10
        return find_lr(
            net, None, batches, optimizer([net.w]), 20, forward=lambda net, batch: (h * net.w**2).sum() / 2, **options
        )

    def test_the_critical_rate_of_a_quadratic_is_two_over_the_curvature_along_the_step(self):
        h = [4.0, 1.0, 0.25]
        along = {
            "sgd": (lambda p: torch.optim.SGD(p, lr=1.0, momentum=0.9), h),  # the gradient itself
            "nesterov": (lambda p: torch.optim.SGD(p, lr=1.0, momentum=0.9, nesterov=True), [1.9 * g for g in h]),
            "adam": (lambda p: torch.optim.Adam(p, lr=1.0), [1.0] * 3),  # its signs
            "rmsprop": (lambda p: torch.optim.RMSprop(p, lr=1.0), [10.0] * 3),  # over the root of 1 - alpha
        }
        for name, (optimizer, d) in along.items():
            right = 2 * sum(g * s for g, s in zip(h, d)) / sum(g * s * s for g, s in zip(h, d))
            with self.subTest(optimizer=name):
                found = self.quadratic(h, optimizer).critical_lr
                self.assertLess(abs(torch.log(torch.tensor(found / right)).item()), 0.1, (found, right))

    def test_groups_keep_their_proportion(self):
        net = nn.Module()
        net.a, net.b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        rates = []

        def forward(net, batch):
            rates.append([group["lr"] for group in optimizer.param_groups])
            return 2 * net.a.square().sum() + net.b.square().sum()

        groups = [{"params": [net.a], "lr": 0.01}, {"params": [net.b], "lr": 0.001}]
        optimizer = torch.optim.SGD(groups)
        result = find_lr(net, None, [torch.zeros(8)] * 12, optimizer, 12, forward=forward)
        # Direction (4, 0.2), curvature (4, 2): 2 (4*4 + 2*0.2) / (4*16 + 2*0.04).
        self.assertAlmostEqual(result.critical_lr, 2 * 16.4 / 64.08, delta=0.05)
        self.assertEqual(result.group_lrs(2.0), [2.0, 0.2])
        self.assertTrue(all(abs(b / a - 0.1) < 1e-9 for a, b in rates))
        self.assertEqual([group["lr"] for group in optimizer.param_groups], [0.01, 0.001])

    def test_a_warm_up_that_starts_at_zero_has_its_proportion_from_the_initial_rates(self):
        net = Net()
        groups = [{"params": net.body.parameters(), "lr": 0.05}, {"params": net.head.parameters(), "lr": 0.1}]
        optimizer = torch.optim.SGD(groups)
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
        result = find_lr(net, F.cross_entropy, shuffled(), optimizer, 12)
        self.assertEqual([group["lr"] for group in optimizer.param_groups], [0.0, 0.0])
        self.assertEqual(result.shares, [0.5, 1.0])

    def test_the_noise_scale_of_gradients_that_are_known(self):
        """Loss mean(w . x): the gradient is the mean of x, normal around 1 with variance 4 in each dimension, so
        tr(Sigma) / |G|^2 = 4. Few samples in many dimensions, where an estimate with bias is a quarter off."""
        generator = torch.Generator().manual_seed(1)
        batches = [1 + 2 * torch.randn(2, 5000, generator=generator) for _ in range(8)]
        net = nn.Module()
        net.w = nn.Parameter(torch.zeros(5000))
        forward = lambda net, x: 9 + (x @ net.w).mean() + net.w.square().sum()  # noqa: E731
        optimizer = torch.optim.SGD([net.w], lr=0.1)
        result = find_lr(net, None, batches, optimizer, 12, forward=forward)
        self.assertAlmostEqual(result.noise_scale, 4.0, delta=0.3)

    def test_losses_along_the_step_share_their_random_numbers(self):
        """A loss with noise added that is larger than all that a step changes: it is the same noise throughout."""
        net = nn.Module()
        net.w = nn.Parameter(torch.ones(1, dtype=torch.float64))
        forward = lambda net, x: net.w.square().sum() / 2 + 10 * torch.rand(())  # noqa: E731
        optimizer = torch.optim.SGD([net.w], lr=1.0)
        result = find_lr(net, None, [torch.zeros(8)] * 3, optimizer, 12, forward=forward)
        self.assertEqual(len(set(result.critical_interval)), 1)
        self.assertAlmostEqual(result.critical_lr, 2.0, delta=0.2)

    def test_the_ramp_rises_by_equal_factors_around_the_critical_rate(self):
        net, optimizer = begun(OPTIMIZERS["sgd"])
        result = find_lr(net, F.cross_entropy, shuffled(), optimizer, 31)
        self.assertEqual(result.lrs[0], result.critical_lr / 64)
        self.assertEqual(result.lrs[-1], result.critical_lr * 16)
        factors = [b / a for a, b in zip(result.lrs, result.lrs[1:])]
        self.assertLess(max(factors) - min(factors), 1e-9)

    def test_the_ramp_is_the_training_that_one_would_write_by_hand(self):
        """From the weights given, with a fresh optimizer, over the same batches: the same losses to the bit."""
        for name in ("sgd", "adam", "adagrad"):
            net, optimizer = begun(OPTIMIZERS[name])
            batches = list(shuffled())[:5]
            result = find_lr(net, F.cross_entropy, batches, optimizer, 12)
            by_hand = copy.deepcopy(net)
            fresh = OPTIMIZERS[name]([p for p in by_hand.parameters() if p.requires_grad])
            losses = []
            for lr, (x, y) in zip(result.lrs, itertools.cycle(batches)):
                fresh.param_groups[0]["lr"] = lr
                loss = F.cross_entropy(by_hand(x), y)
                losses.append(loss.item())
                fresh.zero_grad()
                loss.backward()
                fresh.step()
            with self.subTest(optimizer=name):
                self.assertEqual(result.losses, losses)

    def test_a_step_that_is_not_in_proportion_to_its_rate_is_named(self):
        class Rooted(torch.optim.SGD):
            def step(self, closure=None):
                rate = self.param_groups[0]["lr"]
                self.param_groups[0]["lr"] = rate**0.5
                super().step()
                self.param_groups[0]["lr"] = rate

        net = Net()
        warned = find_lr(net, F.cross_entropy, shuffled(), Rooted(net.parameters(), lr=0.1), 12).warnings
        self.assertTrue(any("not in proportion to its rate" in sentence for sentence in warned), warned)
        for make in OPTIMIZERS.values():
            net, optimizer = begun(make)
            self.assertEqual(find_lr(net, F.cross_entropy, shuffled(), optimizer, 12).warnings, [])

    def test_losses_that_are_not_finite_are_recorded_and_end_the_ramp_with_the_weights(self):
        net = nn.Module()
        net.w = nn.Parameter(torch.ones(1))
        forward = lambda net, x: torch.expm1((net.w - x.mean()).square()).sum()  # noqa: E731
        batches = [torch.full((4,), -0.5), torch.full((4,), 0.5)]
        result = find_lr(net, None, batches, torch.optim.SGD([net.w], lr=1.0), 60, forward=forward)
        self.assertLess(len(result.losses), 60)
        self.assertFalse(torch.isfinite(torch.tensor(result.losses[-1])))
        self.assertTrue(torch.isfinite(net.w).all())

    def test_half_precision(self):
        for dtype in (torch.bfloat16, torch.float16):
            net, optimizer = begun(OPTIMIZERS["sgd"])
            net.body[3].p = 0.0
            full = find_lr(net, F.cross_entropy, shuffled(), optimizer, 12, noise_batches=2)
            before = everything(net, optimizer)["weights and buffers"]
            torch.manual_seed(3)
            half = find_lr(net, F.cross_entropy, shuffled(), optimizer, 12, amp=dtype)
            with self.subTest(dtype=dtype):
                self.assertEqual(everything(net, optimizer)["weights and buffers"], before)
                self.assertTrue(0.5 < half.critical_lr / full.critical_lr < 2.0, (half.critical_lr, full.critical_lr))

    def test_a_loss_scale_that_overflows_is_lowered(self):
        net = nn.Module()
        net.w = nn.Parameter(torch.ones(1, 1))
        forward = lambda net, x: 100 * (x @ net.w).square().mean()  # noqa: E731
        optimizer = torch.optim.SGD([net.w], lr=1.0)
        batches = [torch.ones(4, 1)]
        half = find_lr(net, None, batches, optimizer, 12, forward=forward, amp=torch.float16)
        self.assertAlmostEqual(half.critical_lr, 0.01, delta=0.001)

    def test_gradients_are_clipped_where_asked(self):
        clip = lambda net, optimizer: nn.utils.clip_grad_norm_(net.parameters(), 0.01)  # noqa: E731
        plain = self.quadratic([2.0], lambda p: torch.optim.SGD(p, lr=1.0))
        clipped = self.quadratic([2.0], lambda p: torch.optim.SGD(p, lr=1.0), before_step=clip)
        self.assertAlmostEqual(clipped.critical_lr / plain.critical_lr, 2.0 / 0.01, delta=40)

    def test_further_batches_at_weights_drawn_anew(self):
        net, optimizer = begun(OPTIMIZERS["sgd"], epochs=0)
        before = everything(net, optimizer)
        drawn = []

        def redraw(net):
            for part in net.modules():
                if hasattr(part, "reset_parameters"):
                    part.reset_parameters()
            drawn.append(net.head.weight.sum().item())

        find_lr(net, F.cross_entropy, shuffled(), optimizer, 12, redraw=redraw)
        self.assertEqual(len(set(drawn)), 2)
        self.assertEqual(everything(net, optimizer), before)


class Loaders(unittest.TestCase):
    """Batches of every kind."""

    def measure(self, loader, steps=20, **options):
        net, optimizer = begun(OPTIMIZERS["sgd"], epochs=0)
        return find_lr(net, F.cross_entropy, loader, optimizer, steps, **options)

    def test_an_epoch_that_ends_goes_on_with_the_next(self):
        result = self.measure(shuffled(count=50), steps=33)  # batches of 16, 16, 16 and 2
        self.assertEqual(len(result.losses), 33)
        self.assertEqual(result.setting["batch_size"], 16)
        self.assertIsNotNone(result.noise_scale)
        self.assertEqual(result.warnings, [])

    def test_a_loader_of_one_batch(self):
        result = self.measure(shuffled(batch_size=96, count=96), critical_samples=32)
        self.assertEqual(len(result.losses), 20)
        self.assertIsNone(result.noise_scale)
        self.assertTrue(any("noise scale was not measured" in sentence for sentence in result.warnings))
        self.assertLess(*result.critical_interval)  # three pieces of the one batch

    def test_the_first_samples_of_a_large_batch_are_enough(self):
        sizes = []
        net, optimizer = begun(OPTIMIZERS["sgd"])

        def counted(output, y):
            sizes.append(len(y))
            return F.cross_entropy(output, y)

        find_lr(net, counted, shuffled(count=960, batch_size=240), optimizer, 12)
        self.assertEqual(sizes.count(240), 4 + 12)
        self.assertEqual(set(sizes), {64, 240})

    def test_batches_that_are_dicts(self):
        pairs = list(shuffled())
        dicts = [{"inputs": {"x": x}, "y": y, "names": ["a"] * len(y)} for x, y in pairs]

        def forward(net, batch):
            self.assertEqual(len(batch["names"]), len(batch["y"]))
            output = net(batch["inputs"]["x"])
            return F.cross_entropy(output, batch["y"]), output, batch["y"]

        torch.manual_seed(2)
        by_dict = self.measure(dicts, forward=forward, critical_samples=8)
        torch.manual_seed(2)
        by_pair = self.measure(pairs, critical_samples=8)
        self.assertEqual(by_dict, by_pair)
        self.assertIsNotNone(by_dict.accuracies[0])
        loss_alone = self.measure(dicts, forward=lambda net, b: forward(net, b)[0])
        self.assertEqual(loss_alone.accuracies, [None] * 20)
        self.assertNotIn("train_accuracy", loss_alone.csv())

    def test_several_inputs(self):
        class Two(Net):
            def forward(self, x, shift):
                return super().forward(x + shift)

        net = Two()
        batches = [(x, torch.zeros(len(y), 8), y) for x, y in shuffled()]
        result = find_lr(net, F.cross_entropy, batches, torch.optim.SGD(net.parameters(), lr=0.1), 12)
        self.assertEqual(len(result.losses), 12)

    def test_batches_that_are_gathered(self):
        result = self.measure(shuffled(), accumulate=3)
        self.assertEqual((len(result.losses), result.setting["batch_size"]), (20, 48))

    def test_an_iterator_is_named_and_may_not_end(self):
        result = self.measure(iter(list(shuffled(count=960))))
        self.assertTrue(any("the loader is an iterator" in sentence for sentence in result.warnings))
        with self.assertRaisesRegex(ValueError, "ended after 6 batches"):
            self.measure(iter(list(shuffled())))
        with self.assertRaisesRegex(ValueError, "found none"):
            self.measure([])

    def test_images_of_labels(self):
        """Segmentation: a class a pixel, some of them to be ignored."""
        net = nn.Conv2d(3, 5, 1)
        batches = [(torch.randn(4, 3, 6, 6), torch.randint(0, 5, (4, 6, 6))) for _ in range(4)]
        batches[0][1][0] = -100
        result = find_lr(net, F.cross_entropy, batches, torch.optim.SGD(net.parameters(), lr=0.1), 12)
        self.assertEqual(result.setting["classes"], 5)
        self.assertTrue(all(0.0 <= accuracy <= 1.0 for accuracy in result.accuracies))


class Refused(unittest.TestCase):
    """What cannot be used is said before anything is touched."""

    def test_by_name(self):
        net = Net()
        sgd = torch.optim.SGD(net.parameters(), lr=0.1)
        lazy = nn.Sequential(nn.LazyLinear(3))
        call = lambda *a, **k: lambda: find_lr(*a, **k)  # noqa: E731
        cases = {
            "steps: expected at least 12, found 5": call(net, F.cross_entropy, shuffled(), sgd, 5),
            "found neither": call(net, None, shuffled(), sgd, 12),
            "LBFGS": call(net, F.cross_entropy, shuffled(), torch.optim.LBFGS(net.parameters()), 12),
            "lazy layers": call(lazy, F.cross_entropy, shuffled(), torch.optim.SGD(lazy.parameters(), lr=1.0), 12),
            "analyze: expected a program": call(net, F.cross_entropy, shuffled(), sgd, 12, analyze="/nowhere/sc"),
            "out: expected a folder": call(net, F.cross_entropy, shuffled(), sgd, 12, out="/nowhere/curve.csv"),
            "a scalar loss, .* found shape": call(net, nn.CrossEntropyLoss(reduction="none"), shuffled(), sgd, 12),
            "pass forward=": call(net, F.cross_entropy, [{"x": torch.zeros(4, 8)}] * 3, sgd, 12),
        }
        for message, refused in cases.items():
            before = everything(net, sgd)
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                refused()
            self.assertEqual(everything(net, sgd), before)


def answering(path):
    """A program in the place of sc-analyze, which answers with what it was asked."""
    script = 'import json, sys; print(json.dumps({"max_lr": 0.3, "saw": open(sys.argv[2]).read(), "asked": sys.argv}))'
    path.write_text(f"#!{sys.executable}\n{script}\n")
    path.chmod(0o755)
    return path


class Files(unittest.TestCase):
    """What is written."""

    RESULT = Result(
        critical_lr=0.5,
        critical_interval=(0.4, 0.6),
        noise_scale=12.25,
        iterations=[1, 2, 3],
        lrs=[0.001, 0.1, 10.0],
        losses=[2.5, 1.25, float("nan")],
        accuracies=[0.25, 0.5, None],
        setting={"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.0001, "batch_size": 128, "for_iterations": None},
        shares=[1.0, 0.1],
    )

    def test_the_first_line_says_what_a_curve_holds_for(self):
        about, header, *rows = self.RESULT.csv().splitlines()
        self.assertEqual(
            about,
            "# superconv: critical_lr=0.5 noise_scale=12.25 optimizer=sgd momentum=0.9 weight_decay=0.0001 batch_size=128",
        )
        self.assertEqual(header, "iteration,lr,train_loss,train_accuracy")
        self.assertEqual(rows, ["1,0.001,2.5,0.25", "2,0.1,1.25,0.5", "3,10.0,nan,"])

    def test_the_setting_is_read_off_the_optimizer(self):
        settings = {
            "sgd": ("sgd", 0.9, 1e-3),
            "nesterov": ("nesterov", 0.9, 0.0),
            "plain sgd": ("sgd", 0.0, 0.0),
            "adam": ("adam", 0.9, 0.0),
            "adamw": ("adamw", 0.9, 0.05),
            "rmsprop": ("rmsprop", 0.9, 0.0),
            "adagrad": ("adagrad", 0.0, 0.0),
            "adadelta": ("adadelta", 0.0, 0.0),
        }
        for name, expected in settings.items():
            net, optimizer = begun(OPTIMIZERS[name])
            found = find_lr(net, F.cross_entropy, shuffled(), optimizer, 12, for_iterations=300).setting
            with self.subTest(optimizer=name):
                self.assertEqual((found["optimizer"], found["momentum"], found["weight_decay"]), expected)
                self.assertEqual((found["batch_size"], found["for_iterations"], found["classes"]), (16, 300, 3))

    def test_sc_analyze_is_asked_or_it_is_said_how_to_ask(self):
        net, optimizer = begun(OPTIMIZERS["sgd"])
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder, "curve.csv")
            program = answering(pathlib.Path(folder, "answers"))
            result = find_lr(net, F.cross_entropy, shuffled(), optimizer, 12, out=out, analyze=program)
            self.assertEqual(result.max_lr, 0.3)
            self.assertEqual(result.suggestion["saw"], out.read_text())
            self.assertEqual(result.suggestion["asked"][1:], ["suggest", str(out), "--json"])
            self.assertEqual(sorted(path.name for path in pathlib.Path(folder).iterdir()), ["answers", "curve.csv"])
            program.write_text("#!/bin/sh\necho broken >&2; exit 2\n")
            result = find_lr(net, F.cross_entropy, shuffled(), optimizer, 12, out=out, analyze=program)
            self.assertIsNone(result.max_lr)
            self.assertIn("did not answer (broken); ask it: sc-analyze suggest", str(result))
            with self.assertRaisesRegex(ValueError, "no suggested rate"):
                result.group_lrs()


# ------------------------------------------------------------------------------------------------ against the programs


def program(name, *arguments):
    """What a program of ours prints."""
    command = [str(PROGRAMS / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def suggestion_for(path):
    return json.loads(program("sc-analyze", "suggest", path, "--json"))


CASES = {
    # net, optimizer, ours and PyTorch's, batch, momentum, weight decay
    "lenet": ("lenet", "sgd", 32, 0.9, 1e-4),
    "resnet8": ("resnet8", "sgd", 32, 0.9, 1e-4),
    "lenet, nesterov": ("lenet", "nesterov", 96, 0.9, 0.0),
    "lenet, adamw": ("lenet", "adamw", 32, 0.9, 0.05),
    "lenet, rmsprop": ("lenet", "rmsprop", 32, 0.0, 1e-4),
}
STEPS = 48


def torch_optimizer(name, parameters, momentum, decay):
    if name in ("sgd", "nesterov"):
        options = {"momentum": momentum, "weight_decay": decay, "nesterov": name == "nesterov"}
        return torch.optim.SGD(parameters, lr=0.1, **options)
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=1e-3, betas=(momentum, 0.999), weight_decay=decay)
    return torch.optim.RMSprop(parameters, lr=1e-3, momentum=momentum, weight_decay=decay)


@unittest.skipUnless((PROGRAMS / "sc-probe").exists(), f"no programs in {PROGRAMS}: make programs, or SUPERCONV_BIN")
class AgainstThePrograms(unittest.TestCase):
    """The same weights and batches through sc-probe, sc-rangetest and find_lr."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.data = cls.path("data.safetensors")
        program("sc-prep", "mnist", ROOT / "data" / "mnist5k", "--out", cls.data, "--quiet")
        for case in CASES:
            cls.measure(case)

    @classmethod
    def path(cls, name):
        return pathlib.Path(cls.folder.name, name)

    @classmethod
    def measure(cls, case):
        """Both sides of one case: init, batches and probe by the programs, find_lr on these, and sc-rangetest along the
        ramp of find_lr's critical rate."""
        import nets
        import safetensors_file
        import torch_nets

        net_name, optimizer, batch, momentum, decay = CASES[case]
        about = ["--optimizer", optimizer, "--batch-size", batch, "--momentum", momentum, "--weight-decay", decay]
        # sc-probe draws the weights of its second and third batch by seeds so far apart.
        inits = [cls.path(f"{case}-{k}.safetensors") for k in range(3)]
        for k, init in enumerate(inits):
            seed = 1 + (k << 32)
            program("sc-init", "--net", net_name, "--data", cls.data, "--seed", seed, "--out", init, "--quiet")
        weights = [safetensors_file.read(init)[0] for init in inits]
        common = ["--data", cls.data, "--init", inits[0], *about, "--seed", 1]
        probe = cls.path(f"{case}.probe.json")
        program("sc-probe", *common, "--out", probe)
        # Only for its batches: those of every run of this seed and batch size.
        program("sc-rangetest", *common, "--around", probe, "--iterations", STEPS, "--record-batches", "--val-every", 0,
                "--out", cls.path(f"{case}-first"), "--quiet")  # fmt: skip
        batches, _ = safetensors_file.read(cls.path(f"{case}-first") / "batches.safetensors")
        data, metadata = safetensors_file.read(cls.data)
        recording = nets.Recording(data, metadata, batches, torch.float32)
        loader = [(recording.plain(step), recording.labels_of(step)) for step in range(STEPS)]

        net = torch_nets.build(net_name, 1, 28, 10)
        nets.load(net, weights[0])
        redrawn = iter(weights[1:])
        found = find_lr(
            net,
            F.cross_entropy,
            loader,
            torch_optimizer(optimizer, net.parameters(), momentum, decay),
            STEPS,
            for_iterations=3 * STEPS,
            out=cls.path(f"{case}.csv"),
            analyze=PROGRAMS / "sc-analyze",
            redraw=lambda net: nets.load(net, next(redrawn)),
        )
        ours = json.loads(probe.read_text())
        cls.probes = {**getattr(cls, "probes", {}), case: ours}
        cls.found = {**getattr(cls, "found", {}), case: found}
        # The ramp along the very rates of find_lr: the probe's own differ from them by rounding.
        ours = copy.deepcopy(ours)
        ours["critical"]["lr"] = found.critical_lr
        probe.write_text(json.dumps(ours))
        program("sc-rangetest", *common, "--around", probe, "--iterations", STEPS, "--val-every", 0, "--out",
                cls.path(f"{case}-run"), "--quiet")  # fmt: skip

    def rows(self, case):
        lines = (self.path(f"{case}-run") / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def test_the_same_critical_rate(self):
        for case in CASES:
            with self.subTest(case):
                ours, found = self.probes[case]["critical"], self.found[case]
                print(f"{case}: critical rate {ours['lr']:.6g} of sc-probe, {found.critical_lr:.6g} here; losses "
                      f"{ours['evaluations']} and {found.evaluations}")  # fmt: skip
                self.assertTrue(ours["interval"]["low"] * 0.999 <= found.critical_lr <= ours["interval"]["high"] * 1.001)
                # Bisection may end one rate apart where two losses are equal but for rounding.
                for a, b in [(ours["lr"], found.critical_lr), *zip(ours["interval"].values(), found.critical_interval)]:
                    self.assertLess(abs(a / b - 1), 0.2, (a, b))

    def test_the_same_noise_scale(self):
        for case in CASES:
            with self.subTest(case):
                ours, found = self.probes[case]["noise"]["scale"], self.found[case].noise_scale
                print(f"{case}: noise scale {ours:.6g} of sc-probe, {found:.6g} here")
                self.assertLess(abs(ours / found - 1), 1e-2)

    def test_the_same_curve(self):
        """Losses agree within rounding until rounding itself is amplified, which it is at high rates."""
        for case in CASES:
            with self.subTest(case):
                found, rows = self.found[case], self.rows(case)
                calm = sum(lr < found.critical_lr / 8 for lr in found.lrs)
                self.assertGreater(calm, 12)
                off = []
                for row, lr, loss, accuracy in zip(rows, found.lrs, found.losses, found.accuracies):
                    self.assertAlmostEqual(row["lr"] / lr, 1.0, delta=1e-12)
                    off.append(abs(row["train_loss"] / loss - 1) if row["train_loss"] is not None else float("nan"))
                print(f"{case}: losses off by {max(off[:calm]):.1e} at most in the first {calm} steps; all {len(rows)} steps of "
                      f"sc-rangetest, {len(found.lrs)} here; {['%.0e' % o for o in off[calm::6]]}")  # fmt: skip
                self.assertLess(off[0], 1e-5)
                self.assertLess(max(off[:calm]), 1e-2)

    def test_the_same_suggestion(self):
        """The judged rule, on sc-rangetest's run, and on the same run with the losses and accuracies measured here."""
        for case in CASES:
            with self.subTest(case):
                run, here = self.path(f"{case}-run"), self.path(f"{case}-here")
                shutil.copytree(run, here)
                found, rows = self.found[case], self.rows(case)
                rows = rows[: len(found.lrs)]
                for row, loss, accuracy in zip(rows, found.losses, found.accuracies):
                    row.update(train_loss=loss if math.isfinite(loss) else None, train_accuracy=accuracy)
                (here / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
                a, b = suggestion_for(run), suggestion_for(here)
                print(f"{case}: highest rate {a['max_lr']} ({a['outcome']}) of sc-rangetest, {b['max_lr']} ({b['outcome']}) here")
                self.assertLess(abs(math.log(a["max_lr"] / b["max_lr"])), math.log(1.25))

    def test_the_same_suggestion_with_what_the_first_line_says(self):
        for case in CASES:
            with self.subTest(case):
                found, run = self.found[case], suggestion_for(self.path(f"{case}-run"))
                if found.suggestion is None:
                    self.skipTest(f"this sc-analyze does not read the first line yet: {found.advice}")
                print(f"{case}: {run['max_lr']} ({run['outcome']}) of sc-rangetest, {found.max_lr} "
                      f"({found.suggestion['outcome']}) here")  # fmt: skip
                self.assertLess(abs(math.log(run["max_lr"] / found.max_lr)), math.log(1.25))


# ------------------------------------------------------------------------------------------------------- docs/pytorch.md


class Documented(unittest.TestCase):
    """The snippets of docs/pytorch.md, as they stand there."""

    def run_snippet(self, module):
        """Runs the one snippet that imports `module`, on small data."""
        if module and importlib.util.find_spec(module) is None:
            self.skipTest(f"{module} is not installed")
        text = (ROOT / "docs" / "pytorch.md").read_text(encoding="utf-8")
        snippets = [part.split("```", 1)[0] for part in text.split("```python\n")[1:]]
        marker = f"import {module}" if module else "# a plain loop"
        (snippet,) = [snippet for snippet in snippets if marker in snippet]
        snippet = snippet.replace("steps=100", "steps=12")
        before, path = os.getcwd(), os.environ["PATH"]
        with tempfile.TemporaryDirectory() as folder:
            answering(pathlib.Path(folder, "sc-analyze"))
            os.chdir(folder)
            os.environ["PATH"] = f"{folder}{os.pathsep}{path}"
            try:
                scope = {"train_set": self.images(), "__name__": "snippet"}
                exec(compile(snippet, f"docs/pytorch.md ({module or 'plain loop'})", "exec"), scope)
                self.assertIn("# superconv: critical_lr=", pathlib.Path("range-test.csv").read_text(encoding="utf-8"))
            finally:
                os.chdir(before)
                os.environ["PATH"] = path
        self.assertEqual(scope["result"].max_lr, 0.3)
        return scope

    @staticmethod
    def images():
        generator = torch.Generator().manual_seed(2)
        y = torch.arange(256) % 10
        x = torch.randn(10, 3, 32, 32, generator=generator)[y] + torch.randn(256, 3, 32, 32, generator=generator)
        return torch.utils.data.TensorDataset(x, y)

    def test_plain_loop(self):
        self.assertIsNotNone(self.run_snippet(None)["result"].critical_lr)

    def test_torchvision(self):
        self.assertIsNotNone(self.run_snippet("torchvision")["result"].critical_lr)

    def test_timm(self):
        result = self.run_snippet("timm")["result"]
        self.assertEqual(len(result.shares), 2)

    def test_lightning(self):
        self.assertIsNotNone(self.run_snippet("lightning")["result"].critical_lr)

    def test_fastai(self):
        self.assertIsNotNone(self.run_snippet("fastai")["result"].critical_lr)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
