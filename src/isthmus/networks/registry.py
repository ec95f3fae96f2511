"""Architectures by the names that designs use."""

from collections.abc import Mapping

from isthmus.networks.ani import Ani
from isthmus.networks.mace import Mace
from isthmus.networks.moments import Moments
from isthmus.networks.network import Network
from isthmus.networks.painn import PaiNN
from isthmus.networks.sake import Sake
from isthmus.networks.schnet import SchNet

__all__ = ["ARCHITECTURES"]

ARCHITECTURES: Mapping[str, type[Network]] = {
    "ani": Ani,
    "mace": Mace,
    "moments": Moments,
    "painn": PaiNN,
    "sake": Sake,
    "schnet": SchNet,
}
"""Class of each architecture."""
