"""How every command ends: with an exit code, and for a mistake of the user with one line in place of a traceback."""

import argparse
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import NoReturn

from plainmlp.system.errors import InputError, StorageError, TrainingError
from plainmlp.system.process import collect_seldom

INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
TERMINATED = 143  # the same for SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM, ended as cleanly as Ctrl-C."""


def run_command(main: Callable[[], None]) -> int:
    """Run the body of a command.

    Parameters
    ----------
    main : callable ()
        The body.

    Returns
    -------
    int
        The exit code: 0, or that of the error of `plainmlp.system.errors` that ended the body, or 130 after Ctrl-C, or
        143 after SIGTERM.

    Notes
    -----
    With ``HYDRA_FULL_ERROR=1`` in the environment the traceback comes before the line.

    Examples
    --------
    >>> run_command(lambda: None)
    0
    """
    collect_seldom()
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal that cannot show a letter fails no command
        sys.stdout.reconfigure(errors="replace")
    earlier = signal.signal(signal.SIGTERM, _terminate)
    try:
        main()
    except (InputError, StorageError, TrainingError) as error:
        return _ended(error, f"error: {error}", error.exit_code)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        return _ended(error, f"error: {error.filename or Path.cwd()}: {error.strerror}", StorageError.exit_code)
    except Terminated as error:
        return _ended(error, "terminated", TERMINATED)
    except KeyboardInterrupt as error:
        return _ended(error, "interrupted", INTERRUPTED)
    finally:
        signal.signal(signal.SIGTERM, earlier)
    return 0


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _ended(error: BaseException, line: str, exit_code: int) -> int:
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        traceback.print_exception(error)
    sys.stderr.write(f"{line}\n")
    return exit_code


def run_stage(main: Callable[[], None], description: str) -> NoReturn:
    """Be the command of a stage: no arguments but `--help`, then `run_command`, then exit.

    Parameters
    ----------
    main : callable ()
        The body.
    description : str
        What `--help` says.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    sys.exit(run_command(main))
