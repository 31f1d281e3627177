"""What a metric was told, in place of the one that Prometheus reads."""


class Told:
    """Stands in for a counter or a gauge: what it was told, by the values of its attributes."""

    def __init__(self) -> None:
        self.by: dict[tuple[str, ...], float] = {}

    def add(self, amount: float, attributes: dict[str, str]) -> None:
        key = tuple(attributes.values())
        self.by[key] = self.by.get(key, 0) + amount

    def set(self, value: float, attributes: dict[str, str]) -> None:
        self.by[tuple(attributes.values())] = value
