"""How the sub-commands read their words: a wrong one is answered by one sentence, like every other error."""

import argparse
from typing import NoReturn

from grux.errors import UsageError


class Parser(argparse.ArgumentParser):
    """argparse, without the page of usage that it prints before an error."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`.")
