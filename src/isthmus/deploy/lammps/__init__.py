"""LAMMPS out: potentials of `class2` terms as a data file and an input script."""

from isthmus.deploy.lammps.writing import LammpsFiles, to_lammps, write_lammps

__all__ = ["LammpsFiles", "to_lammps", "write_lammps"]
