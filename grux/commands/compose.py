"""`grux compose`: a trained model of music writes a piece, as a MIDI file."""

from collections.abc import Sequence

from grux.commands.use import add_seed, parser, trained, within
from grux.errors import UsageError

EXAMPLES = """\
  grux compose lstm-polyphonic_music-1a2b3c4d                            piece.mid, 128 steps
  grux compose RUN --steps 64 --tempo 80 --output chorale.mid --seed 3   another --seed is another piece
  grux compose RUN --temperature 0.8 --steps-per-beat 4                  surer; four steps to a quarter note
"""


def run(arguments: Sequence[str]) -> int:
    made = parser("compose", "A piece of music from a trained model, from silence on.", EXAMPLES)
    made.add_argument("--steps", type=within(int, 1, 100_000), default=128, metavar="N", help="length (default: 128)")
    made.add_argument(
        "--temperature", type=within(float, 0, above=True), default=1.0, metavar="T", help="below 1: surer (default: 1)"
    )
    add_seed(made)
    made.add_argument("--tempo", type=within(float, 0, above=True), default=100.0, help="beats a minute (default: 100)")
    made.add_argument(
        "--steps-per-beat", type=within(int, 1), default=1, metavar="N", help="a chorale of jsb has one (default: 1)"
    )
    made.add_argument("--output", default="piece.mid", metavar="FILE", help="default: %(default)s")
    given = made.parse_args(arguments)

    if not given.output.lower().endswith((".mid", ".midi")):
        raise UsageError(f"--output {given.output} ends in neither .mid nor .midi; give the file one of these endings.")
    model = trained(given, "polyphony")

    import jax
    import numpy as np

    from grux.midi import midi_file
    from grux.models.sample import sample_notes
    from grux.results.record import write_output

    key = jax.random.key(given.seed, impl="threefry2x32")
    roll = np.asarray(sample_notes(model.model, key, steps=given.steps, temperature=given.temperature))
    write_output(given.output, midi_file(roll, tempo=given.tempo, steps_per_beat=given.steps_per_beat))
    mean = roll.sum(1).mean()
    print(f"{given.output}: {given.steps} steps, {mean:.1f} notes at a time, by {model.title}")
    return 0
