"""A search without training: its words, and a stand-in for the launcher."""

import math
from collections.abc import Callable, Sequence

from small_runs import SMALL

from grux.errors import Interrupted
from grux.folder import RunFolder
from grux.launch.jobs import Job
from grux.launch.outcome import Outcome
from grux.results.record import write_json

WORDS = (*[word for word in SMALL if not word.startswith("tensorboard")], "group=tuned", "search.clip=null")

BEST = {"gru": 1e-2, "lstm": 3e-3, "elman": 1e-3}
"""The learning rate at which an arch is best, as the stand-in for the launcher has it."""


class Runner:
    """Stands in for the launcher: a run is a record whose score is best at a learning rate of its arch."""

    def __init__(self) -> None:
        self.started: list[Job] = []
        self.end: Callable[[Job], Exception | None] = lambda job: None

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        return [self._one(job) for job in {job.folder: job for job in jobs}.values()]

    def _one(self, job: Job) -> Outcome:
        error = self.end(job)
        if isinstance(error, Interrupted):
            raise error
        self.started.append(job)
        try:
            with RunFolder(job.folder, run_id=job.run_id, choices=job.choices):
                if error:
                    raise error
        except Exception as ended:
            return Outcome(job, "failed", getattr(ended, "exit_code", 1), str(ended), 0.0, 1)
        write_json(job.folder / "result.json", self._record(job))
        return Outcome(job, "done", 0, "", 0.0, 1)

    def _record(self, job: Job) -> dict:
        distance = math.log10(job.config["learning_rate"] / BEST[job.choices["arch"]])
        scores = {"validation": {"accuracy": 0.9 - 0.1 * distance**2}}
        if job.config["role"] == "result":
            scores["test"] = {"accuracy": 0.5}
        seeds = range(job.config["first_seed"], job.config["first_seed"] + job.config["seeds"])
        return {
            "format": 1,
            "run_id": job.run_id,
            "experiment": job.config["group"],
            "choices": job.choices,
            "config": job.config,
            "metric": {"primary": "accuracy", "higher_is_better": True},
            "selection": {"metric": "accuracy", "split": "validation", "mode": "max", "rule": "best"},
            "seeds": [{"seed": s, "status": "done", "steps": 9, "best_step": 8, "scores": scores} for s in seeds],
        }

    def trials(self) -> list[Job]:
        return [job for job in self.started if job.config["role"] == "search"]

    def results(self) -> list[Job]:
        return [job for job in self.started if job.config["role"] == "result"]
