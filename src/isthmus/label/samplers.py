"""What drives the dynamics of a molecule, by name.

| name | level of the dynamics |
|---|---|
| `mmff94`, `mmff94s` | RDKit's |
| `label` | the level that labels |
| else | a force field as `isthmus.deploy.spec` knows it, evaluated by our own engine |

Without a name it is `mmff94` where that can type the molecule, and `label` where not.
"""

from dataclasses import dataclass
from typing import Any, Final

from isthmus.chemistry.molecule import Molecule
from isthmus.errors import InputError
from isthmus.label.level import Labeller

__all__ = ["LABEL", "Sampler", "check_sampler", "sampler_for"]

LABEL: Final = "label"
_MMFF: Final = {"mmff94": "MMFF94", "mmff94s": "MMFF94s"}


@dataclass(frozen=True, eq=False)
class Sampler:
    """A calculator of ASE, and the name of what it computes."""

    name: str
    calculator: Any


def check_sampler(name: str | None, molecule: Molecule) -> None:
    """Before any work is done: whether there is such a sampler.

    Args:
        name: see the table of this module.
        molecule: any; whether the force field knows it is not asked.

    Raises:
        InputError: an unknown name, or a file that is missing or cannot be read.
    """
    if name is None or name.lower() in (LABEL, *_MMFF):
        return
    from isthmus.deploy.spec import OPENMM_SETS, resolve_force_field
    from isthmus.designs.schema import design_names

    if name.lower() in OPENMM_SETS or name in design_names():
        return
    # Files of OpenMM may be its own, which only it can find
    if not name.endswith(".xml"):
        resolve_force_field(name, molecule)


def sampler_for(name: str | None, molecule: Molecule, labeller: Labeller) -> Sampler:
    """The sampler of one molecule.

    Args:
        name: see the table of this module; None chooses.
        molecule: with coordinates.
        labeller: of the level of theory.

    Raises:
        InputError: no such force field, or it does not know the molecule.
        DesignError, FormulaError, UnsupportedForceError: as `resolve_force_field`.
    """
    from isthmus.label.calculators import LabellerCalculator, MMFFCalculator

    if name is None:
        try:
            return Sampler("mmff94", MMFFCalculator(molecule))
        except InputError:
            name = LABEL
    known = name.lower()
    if known == LABEL:
        return Sampler(LABEL, LabellerCalculator(labeller))
    if known in _MMFF:
        return Sampler(known, MMFFCalculator(molecule, variant=_MMFF[known]))
    from isthmus.deploy.ase import IsthmusCalculator
    from isthmus.deploy.spec import resolve_force_field

    potential = resolve_force_field(name, molecule).bind(molecule, precision="float64")
    return Sampler(name, IsthmusCalculator(potential))
