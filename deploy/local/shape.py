"""Of what a platform consists, where it is more than the least."""

import argparse
from dataclasses import dataclass
from typing import Literal, get_args

Broker = Literal["tansu", "apache"]


@dataclass(frozen=True)
class Shape:
    """`replica`: PostgreSQL with a streaming replica. `kafka`: which broker. `scale`: so many instances of everything
    but the gateway, which balances between them."""

    replica: bool = False
    kafka: Broker = "tansu"
    scale: int = 1

    def options(self) -> list[str]:
        """As the command line takes it."""
        return [*(["--replica"] if self.replica else []), f"--kafka={self.kafka}", f"--scale={self.scale}"]


LEAST = Shape()


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--replica", action="store_true", help="with a streaming replica of PostgreSQL")
    command.add_argument("--kafka", choices=get_args(Broker), default="tansu", help="which broker (default: tansu)")
    command.add_argument("--scale", type=int, choices=range(1, 6), default=1, help="instances of each service")


def shape_of(options: argparse.Namespace) -> Shape:
    return Shape(options.replica, options.kafka, options.scale)
