"""``orderflow db``: care for the store."""

import typer

from orchestration.console import AsJson, out, print_json

db = typer.Typer(no_args_is_help=True, help="Care for the store.")


@db.command()
def vacuum(as_json: AsJson = False) -> None:
    """Remove rows that were never published: what a killed process left behind."""
    from orchestration.runtime import open_store

    removed = open_store().vacuum()
    if as_json:
        print_json({"removed": removed})
    else:
        out.print(f"removed unpublished rows: {sum(removed.values()):,}")
