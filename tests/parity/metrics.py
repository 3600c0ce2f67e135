"""Writes what scikit-learn and SciPy say of made-up logits, for the figures of crates/eval to be compared with.

    python3 tests/parity/metrics.py --out crates/eval/tests/metrics.json

300 images of 7 classes, one of which is never answered and one of which no image has. Needs scikit-learn, which brings
SciPy and numpy; their versions are recorded.
"""

import argparse
import json
import pathlib

import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

IMAGES, CLASSES, BINS = 300, 7, 15

parser = argparse.ArgumentParser()
parser.add_argument("--out", type=pathlib.Path, required=True)
out = parser.parse_args().out

rng = np.random.default_rng(1)
labels = rng.integers(0, CLASSES - 1, IMAGES)  # the last class is in no image
logits = rng.normal(0, 1.5, (IMAGES, CLASSES))
logits[np.arange(IMAGES), labels] += 2.0
logits[:, 2] -= 9.0  # and the third is no answer
logits = np.round(2.5 * logits, 3).astype(np.float32)

probabilities = softmax(logits.astype(np.float64), axis=1)
answers = probabilities.argmax(axis=1)
confidence = probabilities.max(axis=1)
right = answers == labels
every = np.arange(CLASSES)


def expected_error(confidence):
    """From scikit-learn's reliability curve over quantiles; bins hold equally many images."""
    assert IMAGES % BINS == 0 and len(set(confidence)) == IMAGES
    accuracy, mean_confidence = calibration_curve(right, confidence, n_bins=BINS, strategy="quantile")
    assert len(accuracy) == BINS
    return float(np.abs(accuracy - mean_confidence).mean()), mean_confidence.tolist(), accuracy.tolist()


def loss_at(log_temperature):
    scaled = log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)
    return -scaled[np.arange(IMAGES), labels].mean()


fitted = minimize_scalar(loss_at, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})
precision, recall, f1, images = precision_recall_fscore_support(labels, answers, labels=every, zero_division=0)
averaged = sorted(set(labels) | set(answers))
macro = precision_recall_fscore_support(labels, answers, labels=averaged, average="macro", zero_division=0)[:3]
error, mean_confidence, accuracy = expected_error(confidence)
cooled = softmax(logits.astype(np.float64) / np.exp(fitted.x), axis=1)

json.dump(
    {
        "made_by": f"tests/parity/metrics.py, scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}",
        "classes": CLASSES,
        "logits": [float(value) for value in logits.ravel()],
        "labels": labels.tolist(),
        "correct": int(right.sum()),
        "wilson": [list(binomtest(k, n).proportion_ci(method="wilson")) + [k, n] for k, n in [(int(right.sum()), IMAGES), (0, 9), (9, 9), (1, 1000)]],
        "top_5": float(top_k_accuracy_score(labels, probabilities, k=5, labels=every)),
        "loss": float(log_loss(labels, probabilities, labels=every)),
        "confusion": confusion_matrix(labels, answers, labels=every).tolist(),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "images": images.tolist(),
        "macro": [float(value) for value in macro],
        "expected_error": error,
        "bin_confidence": mean_confidence,
        "bin_accuracy": accuracy,
        "temperature": float(np.exp(fitted.x)),
        "loss_at_temperature": float(fitted.fun),
        "expected_error_at_temperature": expected_error(cooled.max(axis=1))[0],
    },
    out.open("w"),
)
