"""`grux count --time`: measures training steps on this machine and keeps them for `match=step_time`."""

from collections.abc import Mapping, Sequence

from grux.config import Composed, build
from grux.errors import UsageError

WIDTHS = (16, 32, 64, 128, 256)
"""What is measured where nobody names widths."""


def widths_of(words: Sequence[str]) -> list[int]:
    """The widths of widths=16,32,64. Raises `UsageError` for what is no whole number above 0."""
    texts = [text for word in words for text in word.removeprefix("widths=").split(",")]
    if not all(text.isdecimal() and int(text) > 0 for text in texts):
        raise UsageError(f"widths={','.join(texts)} must be whole numbers >= 1, like widths=16,32,64.")
    return sorted({int(text) for text in texts}) or list(WIDTHS)


def measure(jobs: Mapping[str, Composed], widths: Sequence[int]) -> str:
    """Measure every job at every width and give the table; what was measured before is measured again."""
    from rich.text import Text

    from grux.assembly import step_times
    from grux.matching.times import add_time, conditions, table_of
    from grux.results.terminal import Page, ruled_table
    from grux.training.platform import start_jax

    if spread := [job.config["mesh"]["hosts"] for job in jobs.values() if job.config["mesh"]["hosts"] > 1]:
        raise UsageError(f"mesh.hosts={spread[0]}: a training step is measured in one process; leave it out.")
    start_jax()  # times belong to the devices that a run has
    page = Page()
    table = ruled_table(["", "features", "ms per step", "quartiles"], labels=1, styled=page.styled)
    machine, row = {}, {}
    for title, composed in jobs.items():
        config = composed.config
        dataset = build(config["data"], plugins=config["plugins"])
        task = build(config["task"], plugins=config["plugins"])(info=dataset.info)
        for width in widths:
            row = add_time(config, width, step_times(config, dataset, task, width))
            spread = f"{row['low']:.3g} to {row['high']:.3g}"
            table.add_row(Text(title), f"{width:,}", f"{row['milliseconds']:.3g}", spread)
        machine = conditions(config)["machine"]
        print(f"{title}: {table_of(config)}", flush=True)
    page.add(table)
    page.write(
        "Wall time of a training step of all seeds together, the mean over the shapes of an epoch, median of "
        f"{row['repeats']}; without compilation. Measured on {machine['count']} x {machine['kind']} with "
        f"{machine['cores']} cores, and kept for match=step_time on this machine with these versions."
    )
    return page.text()
