"""Every verb of the command line, from what ``--help`` knows of it."""

import typer

from generated.marking import escaped
from modelmark import cli

TITLE = """# Commands

Each verb with what `modelmark VERB --help` says of it.

"""


def pages() -> dict[str, str]:
    """Return a page with all verbs in the order of ``--help``, and a page a verb below it."""
    group = typer.main.get_command(cli.command_line([]))
    made, rows = {}, []
    for verb in cli.VERBS:
        command = group.commands[verb]
        made[f"reference/commands/{verb}.md"] = _page(verb, command)
        rows.append(f"| [`{verb}`](commands/{verb}.md) | {escaped(command.help.splitlines()[0])} |")
    return {
        "reference/commands.md": TITLE + "\n".join(("| verb | what it does |", "| --- | --- |", *rows)) + "\n",
        **made,
    }


def _page(verb: str, command) -> str:
    context = command.context_class(command, info_name=f"modelmark {verb}")
    usage = command.get_usage(context).removeprefix("Usage: ")
    parts = [f"# modelmark {verb}", f"```text\n{usage}\n```", escaped(command.help)]
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        found = [each.get_help_record(context) for each in command.get_params(context) if each.param_type_name == kind]
        if found:
            parts += [f"## {title}", *(f"`{name}`\n: {escaped(about)}" for name, about in filter(None, found))]
    return "\n\n".join(parts) + "\n"
