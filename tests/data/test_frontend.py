"""The front end against a plain one that loops, against scipy and by hand; and pieces of a sound against the whole."""

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct

from grux.data.frontend import FLOOR, FrontEnd, dct_matrix, mel, mel_filters, read_front_end, stacked, standardised
from grux.errors import DataError, UsageError


def front(**changes):
    return FrontEnd(**{"rate": 1000, "features": "logmel", "mels": 5, "coefficients": 4, "stack": 1, **changes})


def noise(samples=400, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, samples)


def plain_logmel(samples, rate, mels):
    """[F, mels], one number at a time."""
    window, hop, size = round(0.025 * rate), round(0.01 * rate), 1
    while size < window:
        size *= 2
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = [top * number / (mels + 1) for number in range(mels + 2)]
    rows = []
    for start in range(0, len(samples) - window + 1, hop):
        tapered = [samples[start + n] * math.sin(math.pi * n / window) ** 2 for n in range(window)]
        power = [
            abs(sum(x * cmath.exp(-2j * math.pi * k * n / size) for n, x in enumerate(tapered))) ** 2
            for k in range(size // 2 + 1)
        ]
        row = []
        for left, centre, right in zip(edges, edges[1:], edges[2:], strict=False):
            total = 0.0
            for k, energy in enumerate(power):
                here = 2595 * math.log10(1 + k * rate / size / 700)
                if left < here <= centre:
                    total += energy * (here - left) / (centre - left)
                elif centre < here < right:
                    total += energy * (right - here) / (right - centre)
            row.append(math.log(max(total, 1e-8)))
        rows.append(row)
    return np.array(rows)


def test_log_mel_energies_are_those_of_the_plain_loops():
    samples = noise(100)
    got = front().frames(samples)
    assert got.shape == (8, 5)  # (100 - 25) / 10 + 1, rounded down
    np.testing.assert_allclose(got, plain_logmel(samples, 1000, 5), rtol=1e-9)


def test_cepstra_are_the_first_of_scipys_dct():
    samples = noise()
    expected = np.asarray(dct(front().frames(samples), type=2, norm="ortho", axis=-1))[:, :4]
    np.testing.assert_allclose(front(features="mfcc").frames(samples), expected, atol=1e-12)
    np.testing.assert_allclose(dct_matrix(7) @ dct_matrix(7).T, np.eye(7), atol=1e-14)


def test_mel_by_hand():
    assert float(mel(0)) == 0 and float(mel(700)) == pytest.approx(2595 * math.log10(2))
    assert float(mel(1000)) == pytest.approx(1000, abs=0.1)  # what the scale was made for


def test_filters_reach_one_and_share_what_lies_between_two():
    filters = mel_filters(16000, 40)
    assert filters.shape == (40, 257) and filters.max() <= 1 and (filters >= 0).all()
    centres = np.linspace(0, float(mel(8000)), 42)[1:-1]
    bins = mel(np.arange(257) * 16000 / 512)
    inside = (bins >= centres[0]) & (bins <= centres[-1])
    np.testing.assert_allclose(filters[:, inside].sum(0), 1.0)


def test_a_tone_is_loudest_in_its_own_band():
    made = front(rate=8000, mels=24)
    centres = np.linspace(0, float(mel(4000)), 26)[1:-1]
    for band in (3, 12, 22):
        hertz = 700 * (10 ** (centres[band] / 2595) - 1)
        frames = made.frames(0.3 * np.sin(2 * np.pi * hertz * np.arange(800) / 8000))
        assert (frames.argmax(1) == band).all()


def test_frames_lie_where_they_should():
    """A click is heard in the frames over it, and in no other."""
    samples = np.zeros(400)
    samples[123] = 1.0
    heard = (front().frames(samples) > math.log(FLOOR)).any(1)
    assert np.flatnonzero(heard).tolist() == [10, 11, 12]  # 100..125, 110..135, 120..145
    assert np.isfinite(front().frames(np.zeros(100))).all()


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (24, 0), (25, 1), (34, 1), (35, 2)])
def test_a_frame_needs_all_its_samples(samples, frames):
    assert front().frames(noise(samples)).shape == (frames, 5)


@pytest.mark.parametrize("features", ["logmel", "mfcc"])
@given(sizes=st.lists(st.integers(0, 90), min_size=1, max_size=12), stack=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_pieces_give_the_whole_bit_for_bit(features, sizes, stack):
    samples = noise(sum(sizes), seed=3)
    made = front(features=features, stack=stack).fitted([front(features=features).frames(noise())])
    stream, ends = made.stream(), np.cumsum(sizes)
    pieces = [stream.push(samples[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    whole = made(samples)
    assert np.array_equal(np.concatenate(pieces), whole) and whole.dtype == np.float32
    assert whole.shape == (max((len(samples) - 15) // 10, 0) // stack, made.channels * stack)
    # And no step waits for more than is its own.
    for number, end in enumerate(ends):
        ready = sum(len(piece) for piece in pieces[: number + 1])
        assert ready == sum(step * stack * 10 + made.delay * 1000 <= end + 1e-6 for step in range(len(whole)))


def test_a_long_sound_is_cut_into_blocks_that_nobody_sees():
    samples = noise(25_000)
    np.testing.assert_array_equal(front().frames(samples)[2040:2060], front().frames(samples[20400:20615]))


def test_standardised_and_stacked_by_hand():
    frames = [np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[5.0, 5.0], [7.0, 5.0], [9.0, 5.0]])]
    made = front(mels=2, coefficients=2, stack=2).fitted(frames)
    assert made.means == (5.0, 5.0) and made.deviations == (pytest.approx(math.sqrt(8)), 1.0)
    np.testing.assert_allclose(made.steps(frames[1]), [[0, 0, 2 / math.sqrt(8), 0]], rtol=1e-6)
    together = standardised(np.concatenate(frames), made.means, made.deviations)
    np.testing.assert_allclose(together.mean(0), [0, 0], atol=1e-6)
    np.testing.assert_allclose(together.std(0), [1, 0], rtol=1e-6)
    assert stacked(np.arange(10).reshape(5, 2), 2).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_saved_and_read_again():
    made = front(features="mfcc", stack=3).fitted([front(features="mfcc").frames(noise())])
    assert read_front_end(made.save()) == made
    for content in (b"", b"[]", b"{}", made.save().replace(b"rate", b"pace")):
        with pytest.raises(DataError, match="holds no front end"):
            read_front_end(content)


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match=r"mels=40 makes band \d+ narrower than the 31\.25 Hz of the spectrum at 1000"):
        front(mels=40)
    with pytest.raises(UsageError, match="coefficients=6 is more than mels=5"):
        front(features="mfcc", coefficients=6)
