"""A small exercise on the simulated device."""


def work(gpu: object) -> None:
    """Anything."""
    # TODO: anything
    raise NotImplementedError
