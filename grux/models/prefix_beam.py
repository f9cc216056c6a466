"""The likeliest text of CTC scores by prefix beam search (Graves 2012, thesis, section 7.5.3; Hannun et al. 2014,
arXiv 1408.2873, without a language model). numpy on the host, in logarithms.

A prefix l has two probabilities after t steps: of the paths that collapse to it and end with the blank, b, and of those
that end with its last character, n.

    b'(l)     = p_t(blank) (b(l) + n(l))
    n'(l)     = p_t(last of l) n(l)                      the character goes on
    n'(l + c) = p_t(c) (b(l) + n(l))                     for c other than the last of l
    n'(l + c) = p_t(c) b(l)                              for c equal to it: only a blank parts two equal ones

After each step only the `beam` likeliest prefixes are kept; with enough of them the sum over paths is exact.
"""

import numpy as np

from grux.errors import UsageError

Prefix = tuple[int, ...]
NOTHING = -np.inf


def prefix_beam_search(log_probabilities: np.ndarray, *, beam: int, blank: int = 0) -> list[tuple[Prefix, float]]:
    """At most `beam` pairs (classes, log probability), likeliest first, of [T, C]; each row adds up to 1 in exp."""
    if beam < 1:
        raise UsageError(f"beam={beam} keeps no text; choose 1 or more.")
    found: dict[Prefix, tuple[float, float]] = {(): (0.0, NOTHING)}
    characters = [number for number in range(log_probabilities.shape[1]) if number != blank]
    for row in np.asarray(log_probabilities, np.float64):
        scores = row.tolist()
        after: dict[Prefix, list[float]] = {}
        for prefix, (ends_blank, ends_same) in found.items():
            whole = _add(ends_blank, ends_same)
            stays = after.setdefault(prefix, [NOTHING, NOTHING])
            stays[0] = _add(stays[0], scores[blank] + whole)
            last = prefix[-1] if prefix else None
            if last is not None:
                stays[1] = _add(stays[1], scores[last] + ends_same)
            for number in characters:
                longer = after.setdefault((*prefix, number), [NOTHING, NOTHING])
                longer[1] = _add(longer[1], scores[number] + (ends_blank if number == last else whole))
        # Of equally likely prefixes the lesser one by its classes: the same answer on every machine.
        ranked = sorted(after.items(), key=lambda each: (-_add(*each[1]), each[0]))
        found = {prefix: (both[0], both[1]) for prefix, both in ranked[:beam]}
    return [(prefix, _add(*both)) for prefix, both in found.items() if _add(*both) > NOTHING]


def _add(one: float, other: float) -> float:
    """log(exp(one) + exp(other))."""
    return float(np.logaddexp(one, other))
