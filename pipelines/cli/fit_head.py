import click


@click.command("fit-head")
def fit_head_command(): ...
