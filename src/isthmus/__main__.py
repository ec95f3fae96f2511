"""`python -m isthmus` does what the command `isthmus` does."""

from isthmus.cli.main import run

__all__: list[str] = []

if __name__ == "__main__":
    run()
