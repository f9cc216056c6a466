"""Three probes of recall: copying, selective copying, associative recall.

copying             Ten symbols out of eight, T - 1 blanks, a delimiter; then the symbols are asked for in their order
                    (Hochreiter and Schmidhuber 1997; the sizes of Arjovsky et al. 2016, arXiv 1511.06464, and of Bai
                    et al. 2018, arXiv 1803.01271). The length is T; a sequence has T + 20 steps. Papers print the loss
                    over all steps, of which these ten are the hard ones: a model without memory has ln 8 = 2.08 nats
                    here and 10 ln 8 / (T + 20) there.
selective_copying   The ten symbols stand at random places among T blanks (Gu and Dao 2023, arXiv 2312.00752, who have
                    16 among 4,096): a fixed delay does not help, a model must choose what it keeps. The length is T.
associative_recall  T / 2 pairs of a key and a value, no key twice; then every key is asked for, in random order. One
                    value for a key as in Ba et al. 2016 (arXiv 1610.06258), all keys asked as in Arora et al. 2023
                    (arXiv 2312.04927), without the noise between their queries. The length is T, the pairs' steps.
"""

from grux.data.question import Draws, Probe, Question, asked

COPIED = 10
SYMBOLS = tuple("abcdefgh")
BLANK, DELIMITER = len(SYMBOLS), len(SYMBOLS) + 1
KEYS, VALUES = 64, 10


def copying(length: int, draw: Draws) -> Question:
    symbols = draw.many(COPIED, len(SYMBOLS))
    return asked([*symbols, *[BLANK] * (length - 1), DELIMITER], symbols)


def selective_copying(length: int, draw: Draws) -> Question:
    symbols = draw.many(COPIED, len(SYMBOLS))
    read = [BLANK] * (length + COPIED)
    for place, symbol in zip(sorted(draw.some(COPIED, len(read))), symbols, strict=True):
        read[place] = symbol
    return asked(read, symbols)


def associative_recall(length: int, draw: Draws) -> Question:
    keys, values = draw.some(length // 2, KEYS), draw.many(length // 2, VALUES)
    read = [symbol for key, value in zip(keys, values, strict=True) for symbol in (key, KEYS + value)]
    order = draw.some(len(keys), len(keys))
    return Question(read, [values[n] for n in order], len(keys), [keys[n] for n in order])


RECALL: dict[str, Probe] = {
    "copying": Probe(copying, (*SYMBOLS, "blank", "delimiter"), SYMBOLS),
    "selective_copying": Probe(selective_copying, (*SYMBOLS, "blank"), SYMBOLS),
    "associative_recall": Probe(
        associative_recall,
        (*(f"key {n}" for n in range(KEYS)), *(f"value {n}" for n in range(VALUES))),
        tuple(f"value {n}" for n in range(VALUES)),
        least=2,
        step=2,
        most=2 * KEYS,
    ),
}
