"""Internal coordinates of a cluster as text, in one of three vocabularies of OpenMM.

- `PlainGeometry`: the one variable of a CustomBondForce, CustomAngleForce, CustomTorsionForce.
- `FunctionGeometry`: `distance(p1,p2)`, `angle(p1,p2,p3)`, `dihedral(p1,p2,p3,p4)` of a compound
  force. They know periodic images, but OpenMM differentiates them with respect to every
  coordinate of every particle, calling them again each time.
- `CoordinateGeometry`: x1, y1, ... of a compound force, which OpenMM compiles to machine code:
  three times faster, but only without periodic images.

Each collects in `definitions` what its texts refer to, in order of use.

With u, v, w the bonds 1-2, 1-3, 1-4 of a branch and V = u·(v × w):

    h = V/|(v − u) × (w − u)|,   χ of u against v, w: asin(V/(|u| |v × w|))
    V = −r12 r13 r14 sin d sin θ213 sin θ314,   d the dihedral 2-1-3-4
"""

from typing import Final

__all__ = ["CoordinateGeometry", "FunctionGeometry", "Geometer", "PlainGeometry"]

_TINY: Final = "1e-24"
"""Added to squares [nm⁴] and their products under a root, so that its slope at 0 is finite."""

_TURNS: Final = ((1, 2, 3, 4), (1, 3, 4, 2), (1, 4, 2, 3))


class PlainGeometry:
    """The coordinate is the variable of the force."""

    def __init__(self, variable: str):
        self._variable = variable
        self.definitions: dict[str, str] = {}

    def write(self, primitive: str, atoms: tuple[int, ...]) -> str:
        """Text of a coordinate; also of "cosangle", "cosdihedral" and "sindihedral"."""
        function = primitive[:3] if primitive.startswith(("cos", "sin")) else ""
        return f"{function}({self._variable})" if function else self._variable


class FunctionGeometry:
    """OpenMM's functions of particles."""

    def __init__(self) -> None:
        self.definitions: dict[str, str] = {}

    def write(self, primitive: str, atoms: tuple[int, ...]) -> str:
        """Text of a coordinate; also of "cosangle", "cosdihedral" and "sindihedral"."""
        if primitive in ("distance", "angle", "dihedral"):
            return f"{primitive}({','.join(f'p{a}' for a in atoms)})"
        if primitive in ("cosangle", "cosdihedral", "sindihedral"):
            return f"{primitive[:3]}({self.write(primitive[3:], atoms)})"
        if primitive == "height":
            return self._height(atoms)
        if primitive == "meanwilson":
            turns = [tuple(atoms[a - 1] for a in turn) for turn in _TURNS]
            return f"({'+'.join(self.write('wilson', turn) for turn in turns)})/3"
        assert primitive == "wilson"
        c, a, b, d = atoms
        sine = self._sine_angle(a, c, b)
        return f"asin(-{self.write('sindihedral', (a, c, b, d))}*{sine})"

    def _sine_angle(self, a: int, c: int, b: int) -> str:
        return f"sin({self.write('angle', (a, c, b))})"

    def _height(self, atoms: tuple[int, ...]) -> str:
        c, a, b, d = atoms
        r = [self.write("distance", (c, other)) for other in (a, b, d)]
        sines = f"{self._sine_angle(a, c, b)}*{self._sine_angle(b, c, d)}"
        volume = f"-{'*'.join(r)}*{self.write('sindihedral', (a, c, b, d))}*{sines}"
        for name, (i, j) in {"g_uv": (0, 1), "g_uw": (0, 2), "g_vw": (1, 2)}.items():
            cosine = self.write("cosangle", ((a, b, d)[i], c, (a, b, d)[j]))
            self.definitions[name] = f"{r[i]}*{r[j]}*{cosine}"
        for name, i in {"g_uu": 0, "g_vv": 1, "g_ww": 2}.items():
            self.definitions[name] = f"{r[i]}^2"
        area = "(g_vv-2*g_uv+g_uu)*(g_ww-2*g_uw+g_uu)-(g_vw-g_uv-g_uw+g_uu)^2"
        return f"{volume}/sqrt({area})"


class CoordinateGeometry:
    """Algebra in the coordinates of the particles."""

    def __init__(self) -> None:
        self.definitions: dict[str, str] = {}

    def write(self, primitive: str, atoms: tuple[int, ...]) -> str:
        """Text of a coordinate; also of "cosangle", "cosdihedral" and "sindihedral"."""
        match primitive:
            case "distance":
                return f"sqrt({self._dot(atoms, atoms)})"
            case "cosangle":
                u, v = atoms[1::-1], atoms[1:]
                return f"{self._dot(u, v)}/sqrt({self._dot(u, u)}*{self._dot(v, v)})"
            case "angle":
                u, v = atoms[1::-1], atoms[1:]
                return f"atan2(sqrt({self._cross_square(u, v)}+{_TINY}),{self._dot(u, v)})"
            case "dihedral":
                return f"atan2({self._sine_part(atoms)},{self._cosine_part(atoms)})"
            case "cosdihedral":
                return f"({self._cosine_part(atoms)})/{self._normals(atoms)}"
            case "sindihedral":
                return f"{self._sine_part(atoms)}/{self._normals(atoms)}"
            case "height":
                return self._height(atoms)
            case "wilson":
                u, v, w = ((atoms[0], a) for a in atoms[1:])
                square = f"{self._dot(u, u)}*({self._gram(v, w)})"
                return f"asin({self._triple(u, v, w)}/sqrt({square}))"
            case "meanwilson":
                turns = [tuple(atoms[a - 1] for a in turn) for turn in _TURNS]
                return f"({'+'.join(self.write('wilson', turn) for turn in turns)})/3"
        raise AssertionError(primitive)

    def _define(self, name: str, text: str) -> str:
        self.definitions.setdefault(name, text)
        return name

    def _vector(self, pair: tuple[int, ...]) -> tuple[str, str, str]:
        a, b = pair
        x, y, z = (self._define(f"g_{c}{a}{b}", f"{c}{b}-{c}{a}") for c in "xyz")
        return x, y, z

    def _dot(self, u: tuple[int, ...], v: tuple[int, ...]) -> str:
        """u·v of two steps between particles, each in ascending order, with the sign it has."""
        sign = (u[0] > u[1]) != (v[0] > v[1])
        first, second = sorted([tuple(sorted(u)), tuple(sorted(v))])
        pairs = zip(self._vector(first), self._vector(second), strict=True)
        name = f"g_d{first[0]}{first[1]}{second[0]}{second[1]}"
        self._define(name, "+".join(f"{a}*{b}" for a, b in pairs))
        return f"(-{name})" if sign else name

    def _gram(self, u: tuple[int, ...], v: tuple[int, ...]) -> str:
        """|u × v|² by scalar products: short, and exact enough unless u and v are parallel."""
        return f"{self._dot(u, u)}*{self._dot(v, v)}-{self._dot(u, v)}^2"

    def _cross(self, u: tuple[int, ...], v: tuple[int, ...]) -> tuple[str, str, str]:
        (ux, uy, uz), (vx, vy, vz) = self._vector(u), self._vector(v)
        return f"({uy}*{vz}-{uz}*{vy})", f"({uz}*{vx}-{ux}*{vz})", f"({ux}*{vy}-{uy}*{vx})"

    def _cross_square(self, u: tuple[int, ...], v: tuple[int, ...]) -> str:
        """|u × v|² by components: never negative, exact for parallel u and v too."""
        u, v = tuple(sorted(u)), tuple(sorted(v))
        return "+".join(f"{c}^2" for c in self._cross(u, v))

    def _triple(self, u: tuple[int, ...], v: tuple[int, ...], w: tuple[int, ...]) -> str:
        name = "g_v" + "".join(f"{a}{b}" for a, b in (u, v, w))
        parts = zip(self._vector(u), self._cross(v, w), strict=True)
        return self._define(name, "+".join(f"{a}*{b}" for a, b in parts))

    def _cosine_part(self, atoms: tuple[int, ...]) -> str:
        """(b1 × b2)·(b2 × b3) of a chain with the steps b1, b2, b3."""
        b1, b2, b3 = (atoms[n : n + 2] for n in range(3))
        straight = f"{self._dot(b1, b2)}*{self._dot(b2, b3)}"
        return f"{straight}-{self._dot(b1, b3)}*{self._dot(b2, b2)}"

    def _sine_part(self, atoms: tuple[int, ...]) -> str:
        b1, b2, b3 = (atoms[n : n + 2] for n in range(3))
        return f"sqrt({self._dot(b2, b2)})*{self._triple(b1, b2, b3)}"

    def _normals(self, atoms: tuple[int, ...]) -> str:
        b1, b2, b3 = (atoms[n : n + 2] for n in range(3))
        return f"sqrt(({self._gram(b1, b2)})*({self._gram(b2, b3)})+{_TINY})"

    def _height(self, atoms: tuple[int, ...]) -> str:
        c, a, b, d = atoms
        volume = self._triple((c, a), (c, b), (c, d))
        return f"{volume}/sqrt({self._gram((a, b), (a, d))})"


Geometer = PlainGeometry | FunctionGeometry | CoordinateGeometry
