"""Questions about what was said two turns before (generated): small dialogues that only their context answers.

    the red key is in the kitchen and the blue hat is in the garden
    i see
    where is the hat            or: what colour is the hat
    in the garden               blue

Things, places and colours are different within a dialogue, and no first turn stands in two splits. Both turns of the
answering speaker are trained on; validation and test hold the answers alone. With `context` below 3 the fact is out of
sight, and guessing reaches 1 / PLACES or 1 / COLOURS. A pure function of its settings.
"""

from itertools import permutations

from grux.arguments import NonNegativeInt, PositiveInt
from grux.data.base import Dataset
from grux.data.card import Card
from grux.data.files import RawFile
from grux.data.permutation import permutation, random_integers
from grux.data.texts import Pair, translation_dataset
from grux.data.turns import pairs_of
from grux.errors import UsageError

FILES: tuple[RawFile, ...] = ()
CARD = Card(
    name="generated_dialogue",
    task="dialogue",
    summary="Answer a question about what was said two turns before; generated, for tests and as a check of memory.",
    sizes={"train": 4000, "validation": 300, "test": 600},
    licence="generated",
)
THINGS = ("key", "hat", "book", "lamp", "cup", "ball")
PLACES = ("kitchen", "garden", "hall", "cellar", "attic", "car")
COLOURS = ("red", "blue", "green", "white", "black", "yellow")
ACKNOWLEDGED = "i see"


def generated_dialogue(
    *,
    context: PositiveInt,
    train: PositiveInt,
    validation: PositiveInt,
    test: PositiveInt,
    data_seed: NonNegativeInt,
) -> Dataset:
    """`train`, `validation` and `test` dialogues; training has two pairs of each."""
    pairs = list(permutations(range(len(THINGS)), 2))  # things, places and colours are as many as each other
    room = len(pairs) ** 3
    sizes = {"train": train, "validation": validation, "test": test}
    if (asked := sum(sizes.values())) > room:
        raise UsageError(f"{asked} dialogues were asked for and there are {room} first turns; choose smaller sizes.")
    order = permutation(room, seed=data_seed, epoch=0, stream="generated_dialogue facts")
    questions = random_integers(room, below=4, seed=data_seed, stream="generated_dialogue questions")
    splits: dict[str, list[Pair]] = {}
    first = 0
    for name, size in sizes.items():
        splits[name] = []
        for number in order[first : first + size]:
            rest, colours = divmod(int(number), len(pairs))
            things, places = divmod(rest, len(pairs))
            turns = dialogue(pairs[things], pairs[places], pairs[colours], question=int(questions[number]))
            splits[name] += pairs_of(turns, context, [False, name == "train", False, True])
        first += size
    return translation_dataset(
        name=CARD.name,
        task=CARD.task,
        splits=splits,
        files={},
        tokens="words",
        vocabulary_size=None,
        min_count=1,
        lower=False,
        joint=True,
        max_length=None,
        buckets=2,
    )


def dialogue(
    things: tuple[int, int], places: tuple[int, int], colours: tuple[int, int], *, question: int
) -> tuple[str, str, str, str]:
    """Four turns; `question` 0 and 1 ask where the first and the second thing is, 2 and 3 for its colour."""
    facts = [
        f"the {COLOURS[colour]} {THINGS[thing]} is in the {PLACES[place]}"
        for thing, place, colour in zip(things, places, colours, strict=True)
    ]
    which = question % 2
    thing = THINGS[things[which]]
    if question < 2:
        asked, answer = f"where is the {thing}", f"in the {PLACES[places[which]]}"
    else:
        asked, answer = f"what colour is the {thing}", COLOURS[colours[which]]
    return " and ".join(facts), ACKNOWLEDGED, asked, answer
