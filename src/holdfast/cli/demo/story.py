"""The story, from declaration to production and through the ways in which production goes wrong."""

from __future__ import annotations

from holdfast.cli.demo import beginnings, endings, storms
from holdfast.cli.demo.narrator import Narrator
from holdfast.cli.demo.world import World


def tell(world: World, narrator: Narrator) -> None:
    """Eight stages; each raises when it did not do what it must.

    Raises:
        DemoError: naming what did not hold.
    """
    narrator.say(f"A copy of examples/flights is in {world.project}.")
    narrator.say(
        "336,776 flights left New York in 2013. Two hours before departure the model says whether "
        "one will arrive more than 15 minutes late. It is the night of 31 March 2013; the clock "
        "runs as fast as the traffic."
    )
    beginnings.declare_and_train(world, narrator)
    beginnings.gate_and_go_live(world, narrator)
    beginnings.refuse_a_worse_one(world, narrator)
    beginnings.stop_a_broken_one(world, narrator)
    storms.the_world_changes(world, narrator)
    endings.roll_back(world, narrator)
    endings.kill_the_control_plane(world, narrator)
    endings.answer_for_it(world, narrator)
