#!/usr/bin/env python3
"""Constants of the scalar functions and Normalization's exponential, for Solidity and TypeScript from one source.

Run with mpmath:  python scripts/generate-scalar-constants.py
Writes contracts/numerics/ScalarPolynomials.sol and packages/numerics/src/scalar-polynomials.ts, and prints the bound
that docs/numerics/scalar.md quotes. `--check` writes nothing and fails if the files differ.

The polynomial is the Chebyshev interpolant of 2^v with its coefficients rounded to integers; its error is bounded for
the *rounded* coefficients, in interval arithmetic: 2^v is Taylor's polynomial of degree 40 plus a remainder, the
difference of two polynomials is shifted to the centre of each of 64 pieces, and there |Σ c_k·h^k| <= Σ |c_k|·r^k.
Constants are floored: the script checks both ends of the interval that encloses them.

Fixed point: the variable v is an integer in units of 2^-60. Horner's rule lets the scale grow by 60 bits a step
(an exact multiplication) and shifts only where 256 bits would overflow, so that the evaluation error is a handful of
floors, each of one unit of 2^-60, followed by multiplications by |v| <= 1.
"""
import math
import sys
from pathlib import Path

import mpmath as mp
from mpmath import iv

mp.mp.dps = 70
iv.prec = 320
VARIABLE = 60  # fractional bits of the polynomial's variable
ROOT = Path(__file__).resolve().parent.parent


def chebyshev(f, a, b, n):
    """Coefficients of the degree-n Chebyshev interpolant of f on [a, b]."""
    nodes = [mp.cos(mp.pi * (k + mp.mpf(1) / 2) / (n + 1)) for k in range(n + 1)]
    values = [f((a + b) / 2 + (b - a) / 2 * x) for x in nodes]
    return [
        (2 if j else 1) * sum(v * mp.cos(j * mp.pi * (k + mp.mpf(1) / 2) / (n + 1)) for k, v in enumerate(values)) / (n + 1)
        for j in range(n + 1)
    ]


def monomial(c, a, b):
    """The same polynomial as coefficients of 1, v, v², …"""
    def times(p, q):
        r = [mp.mpf(0)] * (len(p) + len(q) - 1)
        for i, x in enumerate(p):
            for j, y in enumerate(q):
                r[i + j] += x * y
        return r

    def plus(p, q, factor):
        n = max(len(p), len(q))
        at = lambda s, i: s[i] if i < len(s) else mp.mpf(0)
        return [at(p, i) + factor * at(q, i) for i in range(n)]

    linear = [-(a + b) / (b - a), 2 / (b - a)]
    older, old, r = [mp.mpf(1)], linear, [c[0]]
    for j in range(1, len(c)):
        r = plus(r, old, c[j])
        older, old = old, plus([2 * x for x in times(linear, old)], older, -1)
    return r


class Polynomial:
    def __init__(self, name, coefficients, a, b, doc, result):
        self.name, self.doc = name, doc
        largest = mp.mpf(max(abs(a), abs(b)))
        self.steps = []  # (integer coefficient, shift right before the multiplication that precedes its addition)
        rounded, exact, scale, size, floors = [], [], VARIABLE, mp.mpf(0), mp.mpf(0)
        degree = len(coefficients) - 1
        for i in range(degree, -1, -1):
            shift = 0
            if i < degree:
                # this step's values must stay below 2^254; otherwise fall back to 60 bits before it
                if (size * largest + abs(coefficients[i])) * 2 ** mp.mpf(scale + VARIABLE) >= mp.mpf(2) ** 253:
                    shift, scale = scale - VARIABLE, VARIABLE
                    floors += mp.mpf(2) ** -VARIABLE
                scale += VARIABLE
                floors *= largest
            integer = int(mp.nint(coefficients[i] * mp.mpf(2) ** scale))
            self.steps.append((integer, shift))
            rounded.append(integer / mp.mpf(2) ** scale)
            exact.append((integer, scale))
            size = size * largest + abs(rounded[-1])
            assert size * 2 ** mp.mpf(scale) < mp.mpf(2) ** 254
        self.final = scale - result
        self.floors = floors + mp.mpf(2) ** -result
        self.exact = exact[::-1]  # (integer, scale) of 1, v, v², …

    def solidity(self):
        lines = [f"    /// @notice {self.doc}", f"    function {self.name}(int256 v) internal pure returns (int256 p) {{"]
        lines += ['        assembly ("memory-safe") {', f"            p := {word(self.steps[0][0])}"]
        for c, shift in self.steps[1:]:
            product = "mul(p, v)" if not shift else f"mul(sar({shift}, p), v)"
            lines.append(f"            p := {'add' if c >= 0 else 'sub'}({product}, {hex(abs(c))})")
        if self.final:
            lines.append(f"            p := sar({self.final}, p)")
        return "\n".join(lines + ["        }", "    }"])

    def typescript(self):
        name = "".join("_" + ch if ch.isupper() else ch.upper() for ch in self.name)
        rows = "\n".join(f"    [{'-' if c < 0 else ''}{hex(abs(c))}n, {shift}n]," for c, shift in self.steps)
        return f"/** {self.doc} */\nexport const {name}: Polynomial = {{\n  steps: [\n{rows}\n  ],\n  shift: {self.final}n,\n}};"


def word(c):
    return hex(c) if c >= 0 else f"sub(0, {hex(-c)})"


def error_of_exp2(polynomial, pieces=64, degree=40):
    """A proven upper bound of |p(v) - 2^v| on [0, 1], without the floors of the evaluation."""
    ln2 = iv.log(iv.mpf(2))
    difference = []
    for k in range(degree + 1):
        taylor = ln2 ** k / iv.mpf(math.factorial(k))
        mine = iv.mpf(0) if k >= len(polynomial.exact) else exact_interval(*polynomial.exact[k])
        difference.append(mine - taylor)
    # Lagrange: 2^v·ln2^41/41! <= 2·ln2^41/41!
    worst = mp.mpf(0)
    radius = iv.mpf(1) / (2 * pieces)
    for i in range(pieces):
        centre = iv.mpf(2 * i + 1) / (2 * pieces)
        shifted = list(difference)
        for j in range(degree + 1):  # synthetic division: coefficients in v - centre
            for k in range(degree - 1, j - 1, -1):
                shifted[k] += shifted[k + 1] * centre
        bound = sum((abs(c) * radius ** k for k, c in enumerate(shifted)), iv.mpf(0))
        worst = max(worst, mp.mpf(bound.b))
    return worst + mp.mpf((2 * ln2 ** (degree + 1) / iv.mpf(math.factorial(degree + 1))).b)


def exact_interval(integer, scale):
    """integer·2^-scale, exactly."""
    return iv.mpf(integer) / iv.mpf(2) ** scale


def floored(x, bits, doc):
    """⌊x·2^bits⌋ of an interval so narrow that both ends agree."""
    low, high = (int(mp.floor(mp.mpf(end) * 2 ** bits)) for end in (x.a, x.b))
    assert low == high, doc
    return low, f"{doc} in units of 2^-{bits}"


mp.mp.prec = 400
zero, one = mp.mpf(0), mp.mpf(1)
exp2_sum = Polynomial("exp2FractionShort", monomial(chebyshev(lambda v: mp.mpf(2) ** v, zero, one, 8), zero, one), zero, one,
                      "2^v for 0 <= v < 1 with a relative error below 2^-39, in units of 2^-180.", result=180)
# 2^-v <= 1: the absolute error bounds the relative one. The argument x·log2(e) is floored to 2^-60: another ln2·2^-60
exp2_error = error_of_exp2(exp2_sum) + exp2_sum.floors
print(f"exp2FractionShort, relative: below 2^{float(mp.log(exp2_error, 2)):.2f}")
assert exp2_error + mp.mpf(2) ** -59 < mp.mpf(2) ** -39



def nearest_quarter_turn():
    """A lower bound of the distance of any float32 of at least 1/2 to a multiple of π/2, in quarter turns.

    x = M·2^e with M < 2^24. Of all M below 2^24 the one whose M·α is nearest to an integer is the denominator of the
    last convergent of α = 2^e·2/π below 2^24. (That of e < 0 may be a smaller x near 0: the bound holds all the more.)
    """
    mp.mp.prec = 600
    nearest = mp.mpf(1)
    for e in range(-24, 105):
        alpha = mp.mpf(2) ** e * 2 / mp.pi
        alpha -= mp.floor(alpha)
        older, q, x = 0, 1, alpha
        while True:
            x = 1 / x
            digit = int(mp.floor(x))
            x -= digit
            if digit * q + older >= 2**24:
                break
            older, q = q, digit * q + older
        nearest = min(nearest, abs(q * alpha - mp.nint(q * alpha)))
    return nearest


turn = nearest_quarter_turn()
print(f"nearest float32 to a multiple of π/2: 2^{float(mp.log(turn, 2)):.2f} quarter turns")
assert turn > mp.mpf(2) ** -30

pi, two = iv.pi, iv.mpf(2)
constants = {
    "LOG2_E": floored(1 / iv.log(two), 229, "log2(e)"),
    "LN2": floored(iv.log(two), 120, "ln 2"),
    "HALF_PI": floored(pi / 2, 119, "π/2"),
    "TWO_OVER_PI": floored(2 / pi, 229, "2/π"),
    "TWO_OVER_SQRT_PI": floored(2 / iv.sqrt(pi), 119, "2/√π"),
    "SQRT_HALF": floored(iv.sqrt(two) / 2, 120, "√½"),
    "SQRT_2_OVER_PI": floored(iv.sqrt(2 / pi), 120, "√(2/π)"),
}
newline = "\n"

solidity = f"""// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

// Generated by scripts/generate-scalar-constants.py: do not edit.

{newline.join(f"/// @dev {doc}{newline}uint256 constant {name} = {hex(v)};" for name, (v, doc) in constants.items())}

/// @title Normalization's exponential
/// @notice The variable is in units of 2^-60. The generator proves the bound.
library ScalarPolynomials {{
{exp2_sum.solidity()}
}}
"""
typescript = f"""// Generated by scripts/generate-scalar-constants.py: do not edit.

{newline.join(f"/** {doc} */{newline}export const {name} = {hex(v)}n;" for name, (v, doc) in constants.items())}

/** Horner steps `p = (p >> shift)·v + coefficient` from the highest degree down, then `p >> shift`. */
export interface Polynomial {{
  readonly steps: readonly (readonly [coefficient: bigint, shift: bigint])[];
  readonly shift: bigint;
}}

{exp2_sum.typescript()}
"""
for path, text in (("contracts/numerics/ScalarPolynomials.sol", solidity), ("packages/numerics/src/scalar-polynomials.ts", typescript)):
    target = ROOT / path
    if "--check" in sys.argv:
        assert target.read_text() == text, f"{path} is not what this script writes"
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
