"""The fifteen tasks of Delétang et al. 2022 (arXiv 2207.02098), "Neural networks and the Chomsky hierarchy".

    regular                    even_pairs, modular_arithmetic_simple, parity_check, cycle_navigation
    deterministic context-free stack_manipulation, reverse_string, modular_arithmetic_brackets, solve_equation
    context-sensitive          duplicate_string, missing_duplicate, odds_first, binary_addition, binary_multiplication,
                               compute_sqrt, bucket_sort

Definitions are those of the paper and of its authors' code, with these differences: lengths that their code bends to
fit (even ones of modular_arithmetic_simple, odd ones of missing_duplicate, and those too short for a task) are not
made here; and where an answer ends in a terminator before the last output step (stack_manipulation, binary_addition,
binary_multiplication), what comes after it counts neither in the accuracy, as there, nor in the loss.

Arithmetic is modulo 5. Binary numbers have their lowest digit first, but for compute_sqrt.
"""

import math
from itertools import pairwise

from grux.data.question import Draws, Probe, Question, asked

MODULUS = 5
CYCLE = 5
SORTED = 5
DIGITS = tuple(str(digit) for digit in range(MODULUS))
PLUS, MINUS, TIMES, OPEN, CLOSE, UNKNOWN, EQUALS = range(MODULUS, MODULUS + 7)
POP, PUSH = 2, 3
HOLE = 2
END = 2
BITS = ("0", "1")
ENDING = (*BITS, "end")


def even_pairs(length: int, draw: Draws) -> Question:
    """Whether the pairs 01 and 10 together are odd in number."""
    bits = draw.many(length, 2)
    return asked(bits, [sum(a != b for a, b in pairwise(bits)) % 2])


def parity_check(length: int, draw: Draws) -> Question:
    """Whether the ones are odd in number."""
    bits = draw.many(length, 2)
    return asked(bits, [sum(bits) % 2])


def cycle_navigation(length: int, draw: Draws) -> Question:
    """Where on a cycle of five a walk ends; moves are back, stay, forth."""
    moves = draw.many(length, 3)
    return asked(moves, [sum(move - 1 for move in moves) % CYCLE])


def modular_arithmetic_simple(length: int, draw: Draws) -> Question:
    """The value of numbers with + - * between them; * binds first."""
    numbers, operators = draw.many(length // 2 + 1, MODULUS), [PLUS + n for n in draw.many(length // 2, 3)]
    read, total, term = numbers[:1], 0, numbers[0]
    for operator, number in zip(operators, numbers[1:], strict=True):
        read += [operator, number]
        if operator == TIMES:
            term = term * number % MODULUS
        else:
            total, term = total + term, number if operator == PLUS else -number
    return asked(read, [(total + term) % MODULUS])


def modular_arithmetic_brackets(length: int, draw: Draws) -> Question:
    """The value of an expression in brackets with + - *."""
    expression, value = _expression(length, draw, operators=3)
    return asked(expression, [value])


def solve_equation(length: int, draw: Draws) -> Question:
    """Which digit of an expression in brackets with + - was hidden, given its value: "(x-3)=1"."""
    expression, value = _expression(length - 2, draw, operators=2)
    place = draw(len(expression))
    while expression[place] >= MODULUS:  # the first digit from a random place on
        place = (place + 1) % len(expression)
    hidden, expression[place] = expression[place], UNKNOWN
    return asked([*expression, EQUALS, value], [hidden])


def _expression(length: int, draw: Draws, *, operators: int) -> tuple[list[int], int]:
    """(symbols, value) of d, -d, (d), (-d), or of (left operator right) cut at a random place."""
    if length < 5:
        digit = draw(MODULUS)
        value = digit if length % 2 else -digit % MODULUS
        return {1: [digit], 2: [MINUS, digit], 3: [OPEN, digit, CLOSE], 4: [OPEN, MINUS, digit, CLOSE]}[length], value
    inner = length - 3
    cut = 1 + draw(inner - 1)
    left, a = _expression(cut, draw, operators=operators)
    right, b = _expression(inner - cut, draw, operators=operators)
    operator = PLUS + draw(operators)
    value = {PLUS: a + b, MINUS: a - b, TIMES: a * b}[operator] % MODULUS
    return [OPEN, *left, operator, *right, CLOSE], value


def stack_manipulation(length: int, draw: Draws) -> Question:
    """A stack from bottom to top, then actions; the stack that they leave, from top to bottom, and an end."""
    height = 1 + draw(length - 1)
    stack, actions = draw.many(height, 2), [POP + n for n in draw.many(length - height, 3)]
    read = stack + actions
    left = list(stack)
    for action in actions:
        if action >= PUSH:
            left.append(action - PUSH)
        elif left:  # nothing to take from an empty stack
            left.pop()
    return Question(read, [*reversed(left), END], length + 1)


def reverse_string(length: int, draw: Draws) -> Question:
    bits = draw.many(length, 2)
    return asked(bits, bits[::-1])


def duplicate_string(length: int, draw: Draws) -> Question:
    bits = draw.many(length, 2)
    return asked(bits, bits + bits)


def missing_duplicate(length: int, draw: Draws) -> Question:
    """A string twice, one symbol hidden: which it was."""
    bits = draw.many(length // 2, 2) * 2
    place = draw(length)
    hidden, bits[place] = bits[place], HOLE
    return asked(bits, [hidden])


def odds_first(length: int, draw: Draws) -> Question:
    """Symbols 2, 4, 6, ... and then 1, 3, 5, ...: odd places when counted from 0, as in the authors' code."""
    bits = draw.many(length, 2)
    return asked(bits, bits[1::2] + bits[::2])


def binary_addition(length: int, draw: Draws) -> Question:
    read, a, b = _two_numbers(length, draw)
    return Question(read, [*_digits(a + b), END], length + 1)


def binary_multiplication(length: int, draw: Draws) -> Question:
    read, a, b = _two_numbers(length, draw)
    return Question(read, [*_digits(a * b), END], length)


def compute_sqrt(length: int, draw: Draws) -> Question:
    """The whole part of the square root, in half as many digits, rounded up; highest digit first."""
    digits = _number(length, draw)
    root = math.isqrt(_value(digits[::-1]))
    return asked(digits, [root >> place & 1 for place in reversed(range((length + 1) // 2))])


def bucket_sort(length: int, draw: Draws) -> Question:
    symbols = draw.many(length, SORTED)
    return asked(symbols, sorted(symbols))


def _two_numbers(length: int, draw: Draws) -> tuple[list[int], int, int]:
    """(symbols of a, a sign, symbols of b; a; b): both above zero, of a random share of the digits."""
    first = 1 + draw(length - 2)
    a, b = _number(first, draw), _number(length - 1 - first, draw)
    return [*a, 2, *b], _value(a), _value(b)


def _number(length: int, draw: Draws) -> list[int]:
    """Binary digits that are not all zero."""
    while not any(digits := draw.many(length, 2)):
        pass
    return digits


def _value(digits: list[int]) -> int:
    """Of binary digits, lowest first."""
    return sum(digit << place for place, digit in enumerate(digits))


def _digits(value: int) -> list[int]:
    """Binary digits of a number above zero, lowest first, none too many."""
    return [value >> place & 1 for place in range(value.bit_length())]


CHOMSKY: dict[str, Probe] = {
    "even_pairs": Probe(even_pairs, BITS, BITS),
    "modular_arithmetic_simple": Probe(modular_arithmetic_simple, (*DIGITS, "+", "-", "*"), DIGITS, step=2),
    "parity_check": Probe(parity_check, BITS, BITS),
    "cycle_navigation": Probe(cycle_navigation, ("back", "stay", "forth"), tuple(map(str, range(CYCLE)))),
    "stack_manipulation": Probe(stack_manipulation, (*BITS, "pop", "push 0", "push 1"), ENDING, least=2),
    "reverse_string": Probe(reverse_string, BITS, BITS),
    "modular_arithmetic_brackets": Probe(modular_arithmetic_brackets, (*DIGITS, "+", "-", "*", "(", ")"), DIGITS),
    "solve_equation": Probe(solve_equation, (*DIGITS, "+", "-", "*", "(", ")", "x", "="), DIGITS, least=3),
    "duplicate_string": Probe(duplicate_string, BITS, BITS),
    "missing_duplicate": Probe(missing_duplicate, (*BITS, "?"), BITS, least=2, step=2),
    "odds_first": Probe(odds_first, BITS, BITS),
    "binary_addition": Probe(binary_addition, (*BITS, "+"), ENDING, least=3),
    "binary_multiplication": Probe(binary_multiplication, (*BITS, "*"), ENDING, least=3),
    "compute_sqrt": Probe(compute_sqrt, BITS, BITS),
    "bucket_sort": Probe(bucket_sort, tuple(map(str, range(SORTED))), tuple(map(str, range(SORTED)))),
}
