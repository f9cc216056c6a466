"""A trained model that listens: sound to the class of a word, or to text, whole or while it comes in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from grux.batch import Batch
from grux.data.frames import pad_frames
from grux.data.frontend import FILE_NAME, FrontEnd, read_front_end
from grux.errors import DataError, UsageError
from grux.models.ctc import BLANK, SHIFT, best_path
from grux.models.prefix_beam import prefix_beam_search
from grux.trained import Trained

MULTIPLE = 64
"""Shapes are few, as each is compiled anew."""
AT_ONCE = 8
"""Steps of a stream that go through the model together, at most."""


class Listener:
    """A finished run on sound: the front end that was saved with it, and the model."""

    def __init__(self, trained: Trained):
        """Raises UsageError for a run that was not trained on sound."""
        path = trained.run.path / "artifacts" / FILE_NAME
        if trained.info.task not in ("classification", "transcription") or not path.is_file():
            raise UsageError(
                f"{trained.title} was not trained on sound, but on {_what(trained)}; name a run on data=fsdd or "
                "data=fsdd_strings."
            )
        self.front: FrontEnd = read_front_end(path.read_bytes())
        self.writes = trained.info.task == "transcription"
        self._trained = trained
        self._model: Any = trained.model
        self._run = jax.jit(lambda x, mask, carry: self._model.run(x, mask, carry, None))
        self._classify = jax.jit(lambda batch: jax.nn.softmax(self._model(batch, key=None)))

    def check_stream(self) -> None:
        """Raises UsageError for a model that has to hear all before it says anything."""
        if not self.writes:
            raise UsageError(
                f"{self._trained.title} tells the class of a whole sound, so there is nothing to stream; leave out "
                "--stream, or name a run on data=fsdd_strings."
            )
        if self._model.bidirectional:
            raise UsageError(
                f"{self._trained.title} is bidirectional and hears the end before it writes the start; leave out "
                "--stream, or name a run with model.bidirectional=false."
            )

    def probabilities(self, samples: np.ndarray, where: str) -> dict[str, float]:
        """Of every class, of a sound float [N] at the rate of the front end."""
        frames, mask, _ = self._padded(samples, where)
        nothing = np.zeros(1, np.int32)
        shares = self._classify(Batch(*map(jnp.asarray, (frames, mask, nothing, nothing >= 0))))
        return dict(zip(self._trained.info.classes or (), np.asarray(shares)[0].tolist(), strict=True))

    def text(self, samples: np.ndarray, where: str, *, decode: Literal["greedy", "beam"], beam: int) -> str:
        """What is said in a sound float [N] at the rate of the front end."""
        frames, mask, steps = self._padded(samples, where)
        logits, _ = self._run(jnp.asarray(frames), jnp.asarray(mask), self._model.initial_carry(1))
        if decode == "beam":
            shares = np.asarray(jax.nn.log_softmax(logits[0, :steps]))
            return self._letters(prefix_beam_search(shares, beam=beam, blank=BLANK)[0][0])
        tokens = np.asarray(best_path(logits, jnp.asarray(mask), logits.shape[1]))[0]
        return self._trained.tokenizers[""].decode(tokens.tolist())

    def stream(self, blocks: Iterator[np.ndarray]) -> Iterator[str]:
        """The letters that each block, float [n], makes certain: together the greedy text of the whole sound."""
        heard, carry, before = self.front.stream(), self._model.initial_carry(1), BLANK
        for block in blocks:
            steps = heard.push(block)
            new = []
            for start in range(0, len(steps), AT_ONCE):
                frames, lengths = pad_frames([steps[start : start + AT_ONCE]], AT_ONCE)
                mask = np.arange(AT_ONCE)[None, :] < lengths[:, None]
                logits, carry = self._run(jnp.asarray(frames), jnp.asarray(mask), carry)
                for best in np.asarray(logits)[0, : lengths[0]].argmax(-1).tolist():
                    if best not in (BLANK, before):
                        new.append(best)
                    before = best
            yield self._letters(new)

    def _letters(self, classes: Any) -> str:
        return self._trained.tokenizers[""].decode([number + SHIFT for number in classes])

    def _padded(self, samples: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray, int]:
        """Steps float32 [1, T, D], their mask and how many are real. Raises DataError where there is none."""
        steps = self.front(samples)
        if not len(steps):
            raise DataError(
                f"{where} lasts {len(samples) / self.front.rate:.3f} seconds, and {self.front.delay:g} are the least "
                "that can be heard; name a longer sound."
            )
        frames, lengths = pad_frames([steps], -(-len(steps) // MULTIPLE) * MULTIPLE)
        return frames, np.arange(frames.shape[1])[None, :] < lengths[:, None], len(steps)


def _what(trained: Trained) -> str:
    if trained.info.name == "an4":
        return "features that came without their sound (an4)"
    return f"data={trained.info.name} ({trained.info.task})"


def describe(path: Path, channels: int, given: int, rate: int) -> str | None:
    """What had to be done to a file before it could be heard; None where nothing."""
    done = [f"{channels} channels, of which the mean is taken"] * (channels > 1)
    done += [f"{given} Hz, and is brought to {rate} Hz"] * (given != rate)
    return f"{path} has {' and '.join(done)}" if done else None
