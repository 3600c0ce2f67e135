"""The project's nets in PyTorch, written independently of the Rust ones (resnet18, 34 and 50: torchvision's own) and named as
in their files of weights.

    build("resnet20", channels=3, size=32, classes=10, shortcut="a").state_dict()

has the names and shapes of `sc-init --net resnet20`, so that one file of weights starts both.
"""

import torch
from torch import nn
from torch.nn import functional as F


class ShortcutA(nn.Module):
    """Option A of He et al. 2015: every second pixel; the new channels are zeros, half of them on either side."""

    def __init__(self, new_channels):
        super().__init__()
        self.before = new_channels // 2
        self.after = new_channels - self.before

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


class ShortcutAvgPool(nn.Module):
    """Smith and Topin's: 3x3 average pooling of stride 2, the padding counted; then the new channels, zeros."""

    def __init__(self, new_channels):
        super().__init__()
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.new_channels = new_channels

    def forward(self, x):
        return F.pad(self.pool(x), (0, 0, 0, 0, 0, self.new_channels))


SHORTCUTS = {"a": ShortcutA, "avgpool": ShortcutAvgPool}


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut, ReLU after the sum."""

    def __init__(self, inputs, outputs, shortcut):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if inputs == outputs else SHORTCUTS[shortcut](outputs - inputs)

    def forward(self, x):
        inner = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """The CIFAR nets of He et al. 2015, section 4.2: 6n + 2 layers, n blocks each of 16, 32 and 64 channels."""

    def __init__(self, depth, channels, classes, shortcut):
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if blocks < 1 or rest:
            raise ValueError(f"resnet{depth}: expected a depth of 6n + 2")
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self.stage(blocks, 16, 16, shortcut)
        self.layer2 = self.stage(blocks, 16, 32, shortcut)
        self.layer3 = self.stage(blocks, 32, 64, shortcut)
        self.fc = nn.Linear(64, classes)

    @staticmethod
    def stage(blocks, inputs, outputs, shortcut):
        first = Block(inputs, outputs, shortcut)
        return nn.Sequential(first, *(Block(outputs, outputs, shortcut) for _ in range(blocks - 1)))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean(dim=(2, 3)))


def lenet(channels, size, classes):
    """Caffe's LeNet. Its only ReLU follows the first dense layer."""
    pooled = ((size - 4) // 2 - 4) // 2
    convolutions = [nn.Conv2d(channels, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)]
    return nn.Sequential(
        *convolutions, nn.Flatten(), nn.Linear(50 * pooled**2, 500), nn.ReLU(), nn.Linear(500, classes)
    )


def shallow(channels, size, classes):
    """Caffe's three-layer net for CIFAR-10 (cifar10_full), local response normalisation left out."""
    pooled = -(-size // 8)  # halved three times, rounding up each time
    layers = [nn.Conv2d(channels, 32, 5, padding=2), nn.MaxPool2d(3, 2, 1), nn.ReLU()]
    layers += [nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, 1)]
    layers += [nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.AvgPool2d(3, 2, 1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * pooled**2, classes))


PHOTO = ("resnet18", "resnet34", "resnet50")


def photo(net, channels, classes):
    """torchvision's own, random weights; only the stem of images that are not RGB is another."""
    import torchvision  # here, for the other nets need none

    built = getattr(torchvision.models, net)(weights=None, num_classes=classes)
    if channels != 3:
        built.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return built


def build(net, channels, size, classes, shortcut="a"):
    """The net of this name, for square images of `size` pixels: lenet, shallow, resnetN for CIFAR, torchvision's of PHOTO."""
    if net in PHOTO:
        return photo(net, channels, classes)
    if net.startswith("resnet"):
        return CifarResNet(int(net.removeprefix("resnet")), channels, classes, shortcut)
    if net not in ("lenet", "shallow"):
        raise ValueError(f"expected lenet, shallow or resnetN, found {net!r}")
    return {"lenet": lenet, "shallow": shallow}[net](channels, size, classes)


def parameter_count(net):
    """Trained numbers, batch norm's included."""
    return sum(parameter.numel() for parameter in net.parameters())


if __name__ == "__main__":
    for name in ("lenet", "shallow", "resnet8", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"):
        grey, size = (1, 28) if name == "lenet" else (3, 32)
        model = build(name, grey, size, 10)
        with torch.no_grad():
            assert model(torch.zeros(2, grey, size, size)).shape == (2, 10)
        print(f"{name:10} {parameter_count(model):8} parameters")
