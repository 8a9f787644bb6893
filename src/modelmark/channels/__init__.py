"""The channels of a network: which belong together, and the same function with them reordered, rescaled or added to."""

from modelmark.channels.description import Axis, Channels, Gauge, Junction, Port
from modelmark.channels.reparametrise import reparametrised, resized, transformed
from modelmark.channels.tracing import trace

__all__ = ["Axis", "Channels", "Gauge", "Junction", "Port", "reparametrised", "resized", "trace", "transformed"]
