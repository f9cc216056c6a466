"""`grux data`: list, fetch and verify data sets; profile a file of one's own."""

import argparse
from collections.abc import Sequence

from grux.commands.words import Parser
from grux.errors import DataError, GruxError

EPILOG = """\
Examples:
  grux data list               every data set: task, size, and whether its files are here
  grux data get sst2 ett       fetch and check before you go offline
  grux data get --all
  grux data verify             check every file that is here against its SHA-256
  grux data profile my.csv     what is in a file of your own, what is odd in it, and the line that trains on it
  grux data profile train.csv validation.csv test.csv      and what stands in two of them

GRUX_CACHE=FOLDER     where files are kept
GRUX_MIRROR=FOLDER    a folder or an http(s) address to take them from, laid out as <data set>/<file>
"""


def run(arguments: Sequence[str]) -> int:
    made = Parser(
        prog="grux data",
        description="The data sets that `grux train data=NAME` knows.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    actions = made.add_subparsers(dest="action", required=True, metavar="list|get|verify|profile")
    actions.add_parser("list", help="every data set")
    get = actions.add_parser("get", help="fetch files that are not here yet")
    get.add_argument("names", nargs="*", metavar="NAME")
    get.add_argument("--all", action="store_true", help="every data set")
    verify = actions.add_parser("verify", help="check files that are here; fetches nothing")
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: every data set")
    profile = actions.add_parser("profile", help="what is in a file of your own, before it is trained on")
    profile.add_argument("files", nargs="+", metavar="FILE", help="one, or those of train, validation and test")
    given = made.parse_args(arguments)
    if given.action == "list":
        return _list()
    if given.action == "profile":
        from grux.commands.profile import page

        print(page(given.files))
        return 0
    if given.action == "get":
        if not given.names and not given.all:
            get.error("name a data set, or --all")
        return _get(given.names)
    return _verify(given.names)


def _list() -> int:
    from grux.data.catalogue import catalogue, status

    entries = catalogue()
    width = max(map(len, entries), default=0)
    for name, entry in entries.items():
        present = [file["state"] == "present" for file in status(name)]
        made = "your file" if entry.own else "made, not fetched"
        here = made if not present else "here" if all(present) else f"{sum(present)}/{len(present)} here"
        size = f"{entry.bytes / 1e6:.1f} MB" if entry.bytes else ""
        print(f"{name:{width}}  {entry.card.task:15} {size:>9}  {here:18} {entry.card.summary}")
    return 0


def _get(names: Sequence[str]) -> int:
    from grux.data.catalogue import catalogue, entry, get

    known = [entry(name) for name in names]  # a misspelt name is refused before the first download
    failure: GruxError | None = None
    for name in [found.card.name for found in known] or list(catalogue()):
        try:
            for file in get(name):
                print(f"{name}: {file['file']}  {file['bytes']} bytes  {file['path']}")
        except GruxError as error:  # the other data sets are still worth fetching
            if len(names) == 1:
                raise
            print(f"{name}: {error}")
            failure = failure or error
    if failure:
        raise failure
    return 0


def _verify(names: Sequence[str]) -> int:
    from grux.data.catalogue import catalogue, verify

    damaged = []
    for name in names or list(catalogue()):
        for file in verify(name):
            print(f"{name}: {file['file']}  {file['state']}")
            damaged += [str(file["path"])] * (file["state"] == "damaged")
    if damaged:
        raise DataError(f"damaged: {', '.join(damaged)}; delete it and run `grux data get` again.")
    return 0
