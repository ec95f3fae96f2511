"""Making labelled data: thermal frames of molecules, and their energies and forces.

| module | what it does |
|---|---|
| `run` | `label_molecules` and `relabel`: everything together |
| `named`, `tight_binding`, `quantum`, `ase_level` | levels of theory by name; what computes them |
| `samplers`, `calculators`, `sampling` | what drives the Langevin dynamics; one walk |
| `plan`, `targets`, `inputs` | what will be done, said beforehand as plain data |
| `piece`, `worker`, `crew` | one piece of the work; the process that does it; all processes |
| `folder`, `assemble` | finished pieces on disk; the dataset made of them |

Only `isthmus.label.run` is meant for users; its two functions are importable from here.
"""

from isthmus.label.run import label_molecules, relabel

__all__ = ["label_molecules", "relabel"]
