"""One file per sub-command of `grux`, each with `run(arguments) -> exit code`."""
