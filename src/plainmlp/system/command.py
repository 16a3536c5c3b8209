"""How every command ends: with an exit code, and for a mistake of the user with one line in place of a traceback."""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

from plainmlp.system.errors import DISK_FULL, InputError, StorageError, TrainingError, path_problem
from plainmlp.system.process import relax_garbage_collection

INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
GOES_ON = "; run the same command again to continue"
TERMINATED = 143  # the same for SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM, ended as cleanly as Ctrl-C."""


def run_command(main: Callable[[], None], afterwards: str = "") -> int:
    """Run the body of a command, and return its exit code; `afterwards` says how to continue after Ctrl-C or SIGTERM.

    The code is 0, 130 after Ctrl-C, 143 after SIGTERM, or that of the error that ended the body: an error of
    `plainmlp.system.errors`, or an error of the operating system about a path. Such an error is printed as one line; with
    ``HYDRA_FULL_ERROR=1`` in the environment, the traceback comes before it.
    """
    relax_garbage_collection()
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal that cannot show a letter fails no command
        sys.stdout.reconfigure(errors="replace")
    earlier = signal.signal(signal.SIGTERM, _terminate)
    try:
        main()
    except (InputError, StorageError, TrainingError) as error:
        return _ended(error, f"error: {error}", error.exit_code)
    except OSError as error:
        if (problem := path_problem(error)) is None:
            raise
        return _ended(error, f"error: {problem}", 1 if error.errno in DISK_FULL else InputError.exit_code)
    except Terminated as error:
        return _ended(error, f"terminated{afterwards}", TERMINATED)
    except KeyboardInterrupt as error:
        return _ended(error, f"interrupted{afterwards}", INTERRUPTED)
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
    """Be the command of a stage: `--help` shows the description, and without arguments the body runs."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    sys.exit(run_command(main, GOES_ON))
