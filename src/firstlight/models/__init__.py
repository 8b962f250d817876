"""Base models, one network a file."""

from collections.abc import Mapping

from firstlight.models.base import Network
from firstlight.models.collaborative_attention import CollaborativeAttention
from firstlight.models.factorisation import Factorisation
from firstlight.models.light_graph import LightGraph
from firstlight.models.two_tower import TwoTower

NETWORKS: Mapping[str, type[Network]] = {
    kind.name: kind for kind in (Factorisation, TwoTower, LightGraph, CollaborativeAttention)
}
"""Name → network."""
