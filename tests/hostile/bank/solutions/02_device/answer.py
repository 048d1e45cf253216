"""The answer."""


def work(gpu: object) -> None:
    """Nothing is enough."""
