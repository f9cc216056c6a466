"""From `match=parameters budget=100000` in a config to a config with the width that meets it.

The width is solved once, when a run starts, and stands from then on in the run's folder: going on from a checkpoint
reads it there. The id of a run holds what was asked for and not the width, so that it is known before any data are.
"""

from grux.matching.width import FILE, keep, kept, matched, of_width, sentence

__all__ = ["FILE", "keep", "kept", "matched", "of_width", "sentence"]
