"""`python -m pipelines` is the command `pipeline`."""

from pipelines.cli import main

if __name__ == "__main__":  # not in the processes that a command starts
    main()
