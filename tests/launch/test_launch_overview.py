"""What a person reads of a sweep: which job is which, how far each is, and how long the rest takes."""

import time

import pytest
from stub_jobs import job

from grux.launch.jobs import prepare, told_apart
from grux.launch.outcome import Outcome
from grux.launch.overview import Left, progress_of
from grux.results.record import write_json


def done(name: str, seconds: float) -> Outcome:
    return Outcome(job(name), "done", 0, "", seconds, 1)


def test_the_time_left_counts_who_waits_and_not_who_has_ended():
    left, now = Left(3, 2), time.monotonic()
    left.see([(job("a"), now - 60), (job("b"), now - 60)])
    left.learn(done("a", 60.0))
    # b is of the usual length and at its end; c waits, and will have both places to itself.
    assert left.words() == "about 30 s left"
    left.see([(job("b"), now - 60), (job("c"), now)])
    left.learn(done("b", 61.0))
    assert left.words() in ("about 1 min 00 s left", "about 1 min 01 s left")


@pytest.mark.parametrize("state", ["running", "interrupted", "done"])
def test_how_far_a_job_is_stands_in_its_folder_to_the_end(state):
    one = job("a")
    assert progress_of(one) == (0, 0)
    one.folder.mkdir(parents=True)
    write_json(one.folder / "status.json", {"state": state, "step": 645, "steps": 645})
    assert progress_of(one) == (645, 645)


def test_jobs_are_named_by_what_tells_them_apart():
    words = ["data=first_token", "seeds=2"]
    jobs = [prepare([f"arch={arch}", f"clip={clip}", *words]) for arch in ("gru", "lstm") for clip in (0.5, 1.0)]
    titles = [one.title for one in told_apart(jobs)]
    assert titles == [f"{arch} on first_token clip={clip}" for arch in ("gru", "lstm") for clip in (0.5, 1.0)]
    assert told_apart(jobs)[0].named(without=["clip"]) == "gru on first_token"
    assert [one.title for one in told_apart(jobs[:1])] == ["gru on first_token"] and told_apart([]) == []
