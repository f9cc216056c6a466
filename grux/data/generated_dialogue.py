"""Questions about what was said two turns before (generated): small dialogues that only their context answers.

    the red key is in the kitchen       with `facts` = 2: ... and the blue hat is in the garden
    i see
    where is the key                    or: what colour is the key
    in the kitchen                      red

Things, places and colours are different within a dialogue, and no first turn stands in two splits. Answers are trained
on, and of every eighth dialogue the second turn too, so that a model can talk; validation and test hold the answers
alone. With `context` below 3 the fact is out of sight, and guessing reaches one twelfth; who knows the facts and not
which of two things has which is right every second time. A pure function of its settings.
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
    sizes={"train": 1350, "validation": 150, "test": 300},
    licence="generated",
)
THINGS = ("key", "hat", "book", "lamp", "cup", "ball", "coat", "bag", "pen", "clock", "shoe", "spoon")
PLACES = ("kitchen", "garden", "hall", "cellar", "attic", "car", "shed", "office", "bath", "school", "train", "tent")
COLOURS = ("red", "blue", "green", "white", "black", "yellow", "brown", "grey", "pink", "orange", "golden", "silver")
MOST_FACTS = 2
ACKNOWLEDGED = "i see"


def generated_dialogue(
    *,
    context: PositiveInt,
    facts: PositiveInt,
    train: PositiveInt,
    validation: PositiveInt,
    test: PositiveInt,
    data_seed: NonNegativeInt,
) -> Dataset:
    """`train`, `validation` and `test` dialogues, each with a pair; training has a second one of every eighth."""
    if facts > MOST_FACTS:
        raise UsageError(f"facts={facts} is more than {MOST_FACTS}; choose 1 or 2.")
    chosen = list(permutations(range(len(THINGS)), facts))  # things, places and colours are as many as each other
    room = len(chosen) ** 3
    sizes = {"train": train, "validation": validation, "test": test}
    if (asked := sum(sizes.values())) > room:
        raise UsageError(f"{asked} dialogues were asked for and there are {room} first turns; choose smaller sizes.")
    order = permutation(room, seed=data_seed, epoch=0, stream="generated_dialogue facts")
    questions = random_integers(asked, below=2 * facts, seed=data_seed, stream="generated_dialogue questions")
    splits: dict[str, list[Pair]] = {}
    first = 0
    for name, size in sizes.items():
        splits[name] = []
        for place in range(first, first + size):
            rest, colours = divmod(int(order[place]), len(chosen))
            things, places = divmod(rest, len(chosen))
            told = (chosen[things], chosen[places], chosen[colours])
            turns = dialogue(*told, question=int(questions[place]))
            splits[name] += pairs_of(turns, context, [False, name == "train" and place % 8 == 0, False, True])
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
    things: tuple[int, ...], places: tuple[int, ...], colours: tuple[int, ...], *, question: int
) -> tuple[str, str, str, str]:
    """Four turns of F facts; `question` f below F asks where thing f is, F + f for its colour."""
    facts = [
        f"the {COLOURS[colour]} {THINGS[thing]} is in the {PLACES[place]}"
        for thing, place, colour in zip(things, places, colours, strict=True)
    ]
    kind, which = divmod(question, len(facts))
    thing = THINGS[things[which]]
    if kind == 0:
        asked, answer = f"where is the {thing}", f"in the {PLACES[places[which]]}"
    else:
        asked, answer = f"what colour is the {thing}", COLOURS[colours[which]]
    return " and ".join(facts), ACKNOWLEDGED, asked, answer
