"""The plain command line of one job: what a user could type, what a child process, Slurm and Ray run."""

import os
import re
import sys
from collections.abc import Mapping

from grux.launch.fence import below
from grux.launch.jobs import Job

WORDS = ("null", "true", "false", "nan", "inf", "-inf", "none", "off", "no", "on", "yes")
"""What stands for something else where it is not quoted."""


def plain_command(job: Job) -> list[str]:
    """`python -m grux train <overrides> run_dir=FOLDER ... hydra.mode=RUN`, as words that need no shell."""
    where = ["--config-dir", str(job.config_dir)] if job.config_dir is not None else []
    # Later words win. The folder is settled, so a run that is started again must not look for another one beside it;
    # the mode says that this is one run, even if its experiment file is a sweep.
    last = [f"run_dir={quoted(str(job.folder))}", "force=false", f"progress={_progress(job)}", "hydra.mode=RUN"]
    return [*python(), "-m", "grux", "train", *where, *job.overrides, *last]


def python() -> list[str]:
    """The interpreter that runs grux here. It looks for modules in the working folder only if this one does."""
    first = sys.path[0] if sys.path else None
    here = not sys.flags.safe_path and first is not None and first in ("", os.getcwd())
    return [sys.executable] if here else [sys.executable, "-P"]


def quoted(text: str) -> str:
    """The text as a value that Hydra's grammar reads as it stands, whatever is in it."""
    if re.fullmatch(r"[\w./-]*[a-zA-Z./-][\w./-]*", text, re.ASCII) and text.lower() not in WORDS:
        return text
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text=text, quote=Quote.single).with_quotes()


def environment_of_job(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a job on any machine: one deeper in the fence, and its output not held back."""
    return {**below(environment), "PYTHONUNBUFFERED": "1"}


def _progress(job: Job) -> str:
    return "none" if job.config["progress"] == "none" else "plain"
