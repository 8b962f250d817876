"""Where every error of every command ends: one sentence on standard error and an exit code, never a traceback."""

from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from firstlight.errors import FirstlightError

FAILED = 2
INTERRUPTED = 130


class OneSentence(TyperGroup):
    """A group of commands of which a failing one says in one sentence what is wrong and what to do."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a FirstlightError or an OSError ends with code 2, Ctrl-C with 130."""
        try:
            return super().invoke(ctx)
        except FirstlightError as error:
            say(str(error))
            raise typer.Exit(FAILED) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            name = "" if error.filename is None else f"{error.filename}: "
            say(f"{name}{error.strerror or error}; check that the place exists, may be used and has room.")
            raise typer.Exit(FAILED) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error


def say(sentence: str) -> None:
    """One error on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print("[bold red]Error:[/] ", end="")
    note(f"{sentence.rstrip('.')}.")


def note(sentence: str) -> None:
    """A remark on standard error, where it is not in the way of data."""
    Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(sentence)
