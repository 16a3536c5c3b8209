"""How every command ends: with an exit code, and for a mistake of the user with one line in place of a traceback."""

import argparse
import os
import select
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
RUN_AGAIN = "; run the same command again to continue"
TERMINATED = 143  # the same for SIGTERM
UNREAD = 141  # the same for SIGPIPE


class Terminated(KeyboardInterrupt):
    """SIGTERM, ended as cleanly as Ctrl-C."""


def run_command(main: Callable[[], None], afterwards: str = "") -> int:
    """Run the body of a command, and return its exit code; `afterwards` says how to continue after Ctrl-C or SIGTERM.

    The code is 0, 130 after Ctrl-C, 143 after SIGTERM, 141 if the reader of the output has ended (as `head` does), or that
    of the error that ended the body: an error of `plainmlp.system.errors`, or an error of the operating system about a
    path. Such an error is printed as one line; with ``HYDRA_FULL_ERROR=1`` in the environment, the traceback comes before
    it.
    """
    relax_garbage_collection()
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal that cannot show a letter fails no command
        sys.stdout.reconfigure(errors="replace")
    earlier = signal.signal(signal.SIGTERM, _terminate)
    try:
        main()
        sys.stdout.flush()
    except (InputError, StorageError, TrainingError) as error:
        return _ended(error, f"error: {error}", error.exit_code)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _is_unread():
            return UNREAD
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


def _is_unread() -> bool:
    """Say whether nothing reads the output any more; what is left of it is dropped then, so that Python ends silently."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # the end of a pipe's reader is told unasked
    is_unread = bool(output.poll(0))
    if is_unread:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return is_unread


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _ended(error: BaseException, line: str, exit_code: int) -> int:
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        traceback.print_exception(error)
    sys.stderr.write(f"{line}\n")
    return exit_code


def run_stage(main: Callable[[], None], description: str) -> NoReturn:
    """Be the command of a stage: `--help` shows the description, and without arguments the body runs."""
    script_parser(description).parse_args()
    sys.exit(run_command(main, RUN_AGAIN))


def script_parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of a script's arguments; its help shows the description as it stands."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def run_script(
    parser: argparse.ArgumentParser,
    main: Callable[[argparse.Namespace], None],
    override: str = "an override, such as tracking.uri=...",
) -> NoReturn:
    """Be the command of a script that takes overrides beside its own arguments; the help says what an override is."""
    parser.add_argument("overrides", nargs="*", default=[], metavar="KEY=VALUE", help=override)
    arguments = parser.parse_intermixed_args()
    sys.exit(run_command(lambda: main(arguments)))
