"""How the command line fails: one line on standard error, and an exit code that says why."""

from __future__ import annotations

import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from metarouter.cli._option_text import as_options
from metarouter.cli._streams import any_encoding
from metarouter.exceptions import MetaRouterError

__all__ = ["EXIT_FAILED", "EXIT_MISTAKE", "EXIT_STOPPED", "OneLineErrors"]

EXIT_FAILED = 1
EXIT_MISTAKE = 2
EXIT_STOPPED = 130

# Typer carries its own copy of click from some version on, so the class is taken from what typer
# itself raises: BadParameter, UsageError, ClickException.
_CommandLineError: Any = typer.BadParameter.__mro__[2]


class OneLineErrors(TyperGroup):
    """A group of commands that says every mistake in one line, which its name begins."""

    def main(self, args: Any = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command; leave the process unless ``standalone_mode`` is off."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        with warnings.catch_warnings(), any_encoding():
            program = self.name or "metarouter"
            _show_warnings_as_notes(program)
            signal_before = _let_termination_clean_up()
            try:
                code = super().main(args, standalone_mode=False, **extra)
            except _CommandLineError as error:
                code = _say(program, _usage_sentence(error), error.exit_code)
            except typer.Abort:
                code = _say(program, "Stopped.", EXIT_STOPPED)
            except MetaRouterError as error:
                given = sys.argv[1:] if args is None else args
                if "--verbose" in given:
                    traceback.print_exc()
                code = _say(program, self._with_options(error, given), EXIT_MISTAKE)
            except BrokenPipeError:
                code = _leave_quietly()
            except OSError as error:
                code = _say(program, _file_sentence(error), EXIT_FAILED)
            finally:
                if signal_before is not None:
                    signal.signal(signal.SIGTERM, signal_before)
        sys.exit(code if isinstance(code, int) else 0)

    def _with_options(self, error: MetaRouterError, given: Sequence[str]) -> str:
        """Return the message of an error, with the options of the command for its parameters."""
        message, parameter = str(error), error.parameter
        command = next((self.commands[word] for word in given if word in self.commands), None)
        if parameter is not None and command is not None and message.startswith(f"{parameter} "):
            own = {option.name: option.opts[0] for option in command.params}
            if parameter in own:
                # What follows is of the user, or no name of a parameter.
                return own[parameter] + as_options(message.removeprefix(parameter), given)
        return as_options(message, given)

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command; Ctrl-C ends it with one line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            _say(self.name or "metarouter", str(stop) or "Stopped.", EXIT_STOPPED)
            raise typer.Exit(EXIT_STOPPED) from stop


def _say(program: str, sentence: str, code: int) -> int:
    if not sentence:
        return code
    print(f"{program}: {' '.join(sentence.split())}", file=sys.stderr)
    return code


def _usage_sentence(error: Any) -> str:
    sentence = error.format_message().replace("Value error, ", "").rstrip()
    if error.__class__.__name__ == "NoArgsIsHelpError":
        return sentence
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "metarouter"
    return f"{sentence.rstrip('.')}; see {path} --help."


def _file_sentence(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    where = f" ({error.filename})" if error.filename else ""
    return f"{what}{where}: make room or choose another place; no file was half written."


def _leave_quietly() -> int:
    # The reader of a pipe is gone, as in `metarouter ... | head`: nothing more can be said.
    sys.stdout = open("/dev/null", "w") if sys.platform != "win32" else sys.stdout  # noqa: SIM115
    return EXIT_FAILED


def _show_warnings_as_notes(program: str) -> None:
    seen: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        sentence = " ".join(str(message).split())
        if sentence not in seen:
            seen.add(sentence)
            print(f"{program}: note: {sentence}", file=sys.stderr)

    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", FutureWarning)
    warnings.showwarning = show


def _let_termination_clean_up() -> Any:
    """Turn SIGTERM into an exception, so that temporary files are removed on the way out."""

    def stop(number: int, _: Any) -> NoReturn:
        raise SystemExit(128 + number)

    try:
        return signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread, as in some notebooks and tests
        return None
