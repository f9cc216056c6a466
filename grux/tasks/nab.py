"""The score of the Numenta Anomaly Benchmark for the flags of one series, standard profile.

Lavin and Ahmad 2015 (arXiv 1510.03336, section II): a window counts by its first flag, the more the earlier it is; a
flag outside all windows costs, the more the farther it is behind the last one.

    sigma(y)  = 2 / (1 + e^(5 y)) - 1
    in a window of w rows, r rows before its end     y = -(r + 1) / w         gains    sigma(y) / sigma(-1), at most 1
    d rows behind the last window, of w rows         y = d / (w - 1)          costs    0.11 sigma(y), 0.11 from y = 3 on
    before the first window                                                   costs    0.11
    a window without a flag                                                   costs    1

    score = 100 (sum - sum of no flags) / (sum of a perfect detector - sum of no flags)

so 0 is a detector that never speaks, 100 one that flags the first row of each window and nothing else, and false alarms
make it negative without bound. Positions are those of the benchmark's own sweeper (numenta/NAB), which differ from the
paper's by a row. The leaderboard's numbers are sums over all 58 series with a threshold optimised on them: no number
of one series and a threshold from its own validation rows stands beside them.
"""

from typing import Any

import numpy as np

from grux.tasks.detection import NAN, spans

FALSE_ALARM = 0.11  # the weight of the standard profile; a hit and a miss weigh 1
FAR = 3.0  # windows behind the last one: a false alarm costs all


def nab_score(flags: np.ndarray, labels: np.ndarray) -> float:
    """flags and labels bool [N], in the order of time, every run of labels a window; NaN without one."""
    windows = spans(labels)
    if not windows:
        return NAN
    total = 0.0
    for start, end in windows:
        hits = np.flatnonzero(flags[start:end])
        width = end - start
        # The first flag of a window is its best one.
        total += _sigma(-(width - hits[0]) / width) / _sigma(-1.0) if len(hits) else -1.0
    ends = np.array([end - 1 for _, end in windows])
    widths = np.array([end - start for start, end in windows])
    alarms = np.flatnonzero(flags & ~labels)
    before = np.searchsorted(ends, alarms) - 1  # the last window before each
    distance = (alarms - ends[before]) / np.maximum(widths[before] - 1, 1)
    position = np.where(before < 0, FAR, distance)
    total += FALSE_ALARM * np.where(position >= FAR, -1.0, _sigma(np.minimum(position, FAR))).sum()
    return float(100 * (total + len(windows)) / (2 * len(windows)))


def _sigma(position: Any) -> Any:
    return 2 / (1 + np.exp(5 * position)) - 1
