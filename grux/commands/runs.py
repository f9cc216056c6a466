"""What `table`, `plot`, `ls` and `show` share: which runs are meant."""

import argparse
import difflib
from collections.abc import Sequence
from pathlib import Path

from grux.commands.words import Parser
from grux.errors import UsageError
from grux.results.record import Run, find_runs
from grux.results.select import matching
from grux.results.trials import is_search
from grux.results.view import View, experiment_view

EPILOG_CHOICE = """\
Which runs:
  RUN               a run folder, or a folder with runs below it; without one, all below --runs
  group=NAME        the runs of one group: those in <runs>/NAME
  experiment=NAME   the runs of one experiment file, wherever they lie; without any, the group of that name
  key=value         only runs with this choice or config value: arch=gru,lstm  model.features=64
"""


def parser(command: str, description: str, examples: str) -> argparse.ArgumentParser:
    """An argument parser with the choice of runs, and help that teaches by example."""
    made = Parser(
        prog=f"grux {command}",
        description=description,
        epilog=f"Examples:\n{examples}\n{EPILOG_CHOICE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("choice", nargs="*", metavar="RUN|key=value", help="which runs; see below")
    made.add_argument("--runs", default="runs", metavar="FOLDER", help="the folder of all runs (default: %(default)s)")
    return made


def chosen(choice: Sequence[str], root: str, *, some: bool = True, trials: bool = False) -> list[Run]:
    """The runs that the words of a command line choose. Raises `UsageError` where a folder or key does not exist.

    With `some`, also where there are runs and no one has the values asked for. Without `trials`, those of a search are
    left out: what chose a result is none.
    """
    paths: list[Path] = []
    filters: list[str] = []
    experiments: list[str] = []
    for word in choice:
        key, equals, value = word.partition("=")
        if not equals or Path(word).exists():
            paths.append(_path(word, root))
        elif key == "group":
            paths += [_group(name, root) for name in value.split(",")]
        elif key == "experiment":
            experiments += value.split(",")
        else:
            filters.append(word)
    if not paths and not Path(root).is_dir():
        raise UsageError(f"there is no folder {root!r} with runs; train first, or name it with --runs FOLDER.")
    found = find_runs(paths or [Path(root)])
    if experiments:
        found = _of_experiments(experiments, found, root)
    runs = found if trials else [run for run in found if not is_search(run)]
    if found and not runs:
        raise UsageError(
            f"all {len(found)} runs here are trials of a search, and a table shows results alone; "
            "`grux tune --report GROUP` shows what they found."
        )
    left = matching(runs, filters)
    if some and runs and not left:
        raise UsageError(f"none of the {len(runs)} runs has {' '.join(filters)}; `grux ls` lists them.")
    return left


def own_view(choice: Sequence[str]) -> View:
    """How the one experiment or group that is chosen wants to be shown, where it says so in its table.yaml."""
    pairs = [word.partition("=") for word in choice]
    names = [name for key, _, value in pairs if key in ("experiment", "group") for name in value.split(",")]
    plain = len(names) == 1 and names[0] not in ("", ".", "..") and "/" not in names[0] and "\\" not in names[0]
    return experiment_view(names[0]) if plain else View()


def _path(word: str, root: str) -> Path:
    """A path as given, else the name of a run below the root: `gru-sst2-1a2b3c4d` as `grux ls` prints it."""
    if Path(word).exists():
        return Path(word)
    matches = [path for path in Path(root).glob(f"*/{glob_safe(word)}*") if path.is_dir()]
    exact = [path for path in matches if path.name == word]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    if matches:
        finished_first = sorted(matches, key=lambda path: (not (path / "result.json").is_file(), path))
        shown = [*map(str, finished_first[:4]), *([f"{len(matches) - 4} more"] if len(matches) > 4 else [])]
        raise UsageError(f"{word!r} may be {' or '.join(shown)}; write the whole path.")
    names = [path.name for path in Path(root).glob("*/*")] + [path.name for path in Path(root).glob("*")]
    raise UsageError(f"there is no run {word!r}; {_near(word, names)}")


def _of_experiments(names: Sequence[str], runs: Sequence[Run], root: str) -> list[Run]:
    """The runs that were started with experiment=NAME, or with an experiment that NAME lists.

    For a name without such runs, those of the group NAME.
    """
    found: dict[str, Run] = {}
    for name in names:
        wanted = {name, *_listed(name)}
        own = [run for run in runs if run.choices.get("experiment") in wanted]
        own = own or [run for run in runs if run.experiment == name]
        if not own:
            known = {run.experiment for run in runs} | {run.choices.get("experiment", "") for run in runs}
            raise UsageError(f"there is no experiment {name!r} in {root}; {_near(name, sorted(known - {''}))}")
        found.update((str(run.path), run) for run in own)
    return list(found.values())


def _listed(name: str) -> list[str]:
    """The experiments that the file of this experiment lists, where there is one that does."""
    from grux.config.compose import configs_folder
    from grux.launch.jobs import EXPERIMENT, declared

    if name not in {path.stem for path in (configs_folder() / "experiment").glob("*.yaml")}:
        return []
    return [each.strip() for each in declared(name, None)[0].get(EXPERIMENT, "").split(",") if each]


def _group(name: str, root: str) -> Path:
    folder = Path(root) / name
    if name in ("", ".", "..") or Path(name).name != name or not folder.is_dir():
        names = [path.name for path in Path(root).glob("*") if path.is_dir()]
        raise UsageError(f"there is no group {name!r} in {root}; {_near(name, names)}")
    return folder


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else "see `grux ls` for what is there."


def glob_safe(text: str) -> str:
    """The text with the characters that `glob` reads as patterns taken literally."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text.replace("/", ""))
