"""`lift draw`: a graph as a diagram in text."""

from __future__ import annotations

import click

from lift_sys.cli.loading import load_graph


@click.command()
@click.argument("graph", metavar="MODULE:GRAPH")
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "dot"]),
    default="mermaid",
    show_default=True,
    help="Mermaid, as Markdown viewers draw it, or the language of Graphviz.",
)
def draw(graph: str, form: str) -> None:
    """Draw a graph; the diagram's text goes to stdout. Nothing of the graph is run."""
    found = load_graph(graph)
    click.echo(found.to_mermaid() if form == "mermaid" else found.to_dot())
