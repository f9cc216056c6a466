"""The errors that grux answers to a user: one sentence each, and an exit code by class.

The sentence says what was given, what is needed and what to do. `grux` prints it without a traceback
(`GRUX_DEBUG=1` shows one); any other exception is a bug and exits with 1.
"""


class GruxError(Exception):
    """An error with a sentence for the user and a distinct exit code."""

    exit_code = 1


class Quit(GruxError):
    """A part of somebody's own package called sys.exit, which would end the work of others with it."""

    def __init__(self, code: object):
        super().__init__(
            f"a part that was named here called sys.exit({'' if code is None else repr(code)}), which ends a command "
            "and answers nothing; raise an error in it instead (GRUX_DEBUG=1 shows where)."
        )


class UsageError(GruxError):
    """A wrong key, value, type, name or combination on the command line or in a config."""

    exit_code = 2


class DataError(GruxError):
    """Data that are missing, damaged, or do not fit the task."""

    exit_code = 3


class Diverged(GruxError):
    """Every seed reached a loss that is not finite."""

    exit_code = 4


class OutOfMemory(GruxError):
    """The device or the host had no memory left."""

    exit_code = 5


class StorageError(GruxError):
    """A folder that cannot be written, or a full disk."""

    exit_code = 6


class CheckpointError(GruxError):
    """A checkpoint that is damaged or belongs to something else."""

    exit_code = 7


class Interrupted(GruxError):
    """The user or the machine stopped the run; it was saved and can go on."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again later
    by = ""
    """The signal that did it, "" where none is known."""
