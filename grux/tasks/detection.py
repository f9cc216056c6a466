"""How well scores tell anomalies from the rest: exact, over all items, ties counted. numpy, on the host.

    AUROC   P(an anomaly has a higher score than a normal item), ties one half (Mann and Whitney 1947)
    AUPRC   sum over thresholds of (recall_k - recall_(k-1)) * precision_k, the average precision: no interpolation
    F1      2 TP / (2 TP + FP + FN) of the flagged items, those with a score above the threshold

Items are those of `Marks`. Each score is NaN where it is not defined: without an anomaly, for AUROC also without a
normal item, and where a score is NaN.
"""

import numpy as np

NAN = float("nan")


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the receiver operating characteristic; scores [N], labels bool [N]."""
    positive, negative = int(labels.sum()), int((~labels).sum())
    if not positive or not negative or np.isnan(scores).any():
        return NAN
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # tied scores share the mean of their ranks
    return float((ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * negative))


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the precision-recall curve as average precision; scores [N], labels bool [N]."""
    if not labels.any() or np.isnan(scores).any():
        return NAN
    found, flagged, _ = _by_threshold(scores, labels)
    gained = np.diff(found, prepend=0) / labels.sum()
    return float((gained * found / flagged).sum())


def f1(flags: np.ndarray, labels: np.ndarray) -> float:
    """F1 of the anomalies; flags and labels bool [N]."""
    return float(2 * (flags & labels).sum() / (flags.sum() + labels.sum())) if labels.any() else NAN


def best_f1_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """The threshold with the highest F1, half way to the next lower score; the highest of equals. NaN as `f1`."""
    if not labels.any() or np.isnan(scores).any():
        return NAN
    found, flagged, values = _by_threshold(scores, labels)
    best = int(np.argmax(2 * found / (flagged + labels.sum())))
    below = values[best + 1] if best + 1 < len(values) else values[best] - 1.0
    middle = (values[best] + below) / 2
    return float(middle if middle < values[best] else below)  # of neighbouring floats there is no middle


def point_adjusted(flags: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Flags bool [N] in the order of time, with all rows of an anomaly flagged where one of them was.

    Xu et al. 2018 (WWW). F1 of such flags is inflated: random scores come near the best (Kim et al. 2022, "Towards a
    rigorous evaluation of time-series anomaly detection", AAAI).
    """
    adjusted = flags.copy()
    for start, end in spans(labels):
        adjusted[start:end] |= flags[start:end].any()
    return adjusted


def spans(marked: np.ndarray) -> list[tuple[int, int]]:
    """(first, last + 1) of every run of true values of a bool [N]."""
    edges = np.flatnonzero(np.diff(marked.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _by_threshold(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Anomalies found and items flagged with each distinct score as the lowest that is flagged, and these, falling."""
    order = np.argsort(-scores, kind="stable")
    values = scores[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    return np.cumsum(labels[order])[last], last + 1, values[last]
