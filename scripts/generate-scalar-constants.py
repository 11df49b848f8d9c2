#!/usr/bin/env python3
"""Polynomials of the scalar functions, with proven error bounds, for Solidity and TypeScript from one source.

Run with mpmath:  python scripts/generate-scalar-constants.py
Writes contracts/numerics/ScalarPolynomials.sol and packages/numerics/src/scalar-polynomials.ts, and prints the
bounds that docs/numerics/accuracy.md quotes. `--check` writes nothing and fails if the files differ.

Every polynomial is the Chebyshev interpolant of its function, its coefficients are rounded to integers, and the bound
is then proven for the *rounded* coefficients: the difference D between polynomial and function is analytic; on each
subinterval its Chebyshev interpolant of degree n has sup norm at most the sum of its coefficients' moduli, and D
differs from it by at most 4·M·rho^-n/(rho-1), where M bounds |D| on the Bernstein ellipse of parameter rho
(Trefethen, Approximation Theory and Approximation Practice, theorem 8.2). M is bounded by hand, see each use.
mpmath runs with 70 digits; its own rounding is 150 bits below everything stated here.

Fixed point: the variable v is an integer in units of 2^-60. Horner's rule lets the scale grow by 60 bits a step
(an exact multiplication) and shifts only where 256 bits would overflow, so that the evaluation error is a handful of
floors, each of one unit of 2^-60, followed by multiplications by |v| <= 1.
(|v| may exceed its interval by the rounding of v: 2^-58, covered by the slack in M, in the 2^253 and in the slopes.)
"""
import math
import sys
from pathlib import Path

import mpmath as mp

mp.mp.dps = 70
VARIABLE = 60  # fractional bits of every polynomial's variable
RESULT = 100  # fractional bits of every polynomial's result
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


def value(coefficients, v):
    r = mp.mpf(0)
    for c in reversed(coefficients):
        r = r * v + c
    return r


def sup(difference, a, b, bound, pieces=1, n=40, rho=8):
    """A proven upper bound of |difference| on [a, b]."""
    rho, width = mp.mpf(rho), (b - a) / pieces
    tail = 4 * bound * rho ** (-n) / (rho - 1)
    return max(
        sum(abs(c) for c in chebyshev(difference, a + i * width, a + (i + 1) * width, n)) for i in range(pieces)
    ) + tail


class Polynomial:
    def __init__(self, name, coefficients, a, b, doc, result=RESULT):
        self.name, self.doc = name, doc
        largest = mp.mpf(max(abs(a), abs(b)))
        self.steps = []  # (integer coefficient, shift right before the multiplication that precedes its addition)
        rounded, scale, size, floors = [], VARIABLE, mp.mpf(0), mp.mpf(0)
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
            size = size * largest + abs(rounded[-1])
            assert size * 2 ** mp.mpf(scale) < mp.mpf(2) ** 254
        self.final = scale - result
        self.floors = floors + mp.mpf(2) ** -result
        self.rounded = rounded[::-1]

    def __call__(self, v):
        return value(self.rounded, v)

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


def interpolate(f, a, b, degree):
    return monomial(chebyshev(f, a, b, degree), a, b)


bounds = {}


def state(name, bound):
    bounds[name] = math.ceil(float(mp.log(bound, 2)) * 100) / 100
    print(f"{name:34s} < 2^{bounds[name]:.2f}")


# --- 2^v on [0, 1)
zero, one = mp.mpf(0), mp.mpf(1)
exp2 = Polynomial("exp2Fraction", interpolate(lambda v: mp.mpf(2) ** v, zero, one, 11), zero, one,
                  "2^v for 0 <= v < 1.")
# rho = 8: |Re v| <= 1/2 + (8 + 1/8)/4 < 2.6, |p(v)| <= Σ|c|·2.6^k < 20, |2^-v| < 6.1, so |D| < 122
assert sum(abs(c) * mp.mpf("2.6") ** k for k, c in enumerate(exp2.rounded)) < 20
exp2_error = sup(lambda v: exp2(v) * mp.mpf(2) ** -v - 1, zero, one, 122) + exp2.floors
state("exp2Fraction, relative", exp2_error)
# exp: the argument x·log2(e) is floored to 2^-60, log2(e) itself to a relative 2^-229 (|x| < 2^129 there)
exp_error = (1 + exp2_error) * (mp.exp(mp.log(2) * mp.mpf(2) ** -59) - 1) + exp2_error
state("exp, relative", exp_error)

# the same for sums of many terms: shorter, and its result in units of 2^-180 saves a shift
exp2_sum = Polynomial("exp2FractionShort", interpolate(lambda v: mp.mpf(2) ** v, zero, one, 8), zero, one,
                      "2^v for 0 <= v < 1 with a relative error below 2^-39, in units of 2^-180.", result=180)
assert sum(abs(c) * mp.mpf("2.6") ** k for k, c in enumerate(exp2_sum.rounded)) < 20
exp2_sum_error = sup(lambda v: exp2_sum(v) * mp.mpf(2) ** -v - 1, zero, one, 122) + exp2_sum.floors
print(f"{'exp2FractionShort, relative':34s} < 2^{float(mp.log(exp2_sum_error, 2)):.2f}")
assert exp2_sum_error < mp.mpf(2) ** -39

# --- tanh(x)/x as a polynomial in z = x² on [0, 2^-8]
def over(f, limit):
    return lambda z: limit if z == 0 else f(mp.sqrt(z)) / mp.sqrt(z)


z_max = mp.mpf(2) ** -8
tanh_over = over(mp.tanh, one)
tanh_small = Polynomial("tanhRatio", interpolate(tanh_over, zero, z_max, 5), zero, z_max,
                        "tanh(x)/x as a function of v = x^2, for 0 <= x < 1/16.")
# rho = 8: |z| <= 2^-8·2.54 < 0.01, far inside the pole at |z| = (pi/2)²; there |tanh(s)/s| < 1.1 and |p| < 1.1
tanh_error = (sup(lambda z: tanh_small(z) - tanh_over(z), zero, z_max, 3) + tanh_small.floors + mp.mpf(2) ** -61) / mp.mpf("0.998")
state("tanh, |x| < 1/16, relative", tanh_error)  # z floored to 2^-60, slope below 1/2
# |x| >= 1/16: (1 - q)/(1 + q), q = e^-2|x| <= 0.883 in units of 2^-100: relative error of q times q/(1-q) + q/(1+q)
q = mp.exp(-mp.mpf(1) / 8)
state("tanh, |x| >= 1/16, relative", exp_error * (q / (1 - q) + q / (1 + q)) * mp.mpf("1.01") + mp.mpf(2) ** -90)
state("sigmoid, relative", exp_error * 2 + mp.mpf(2) ** -90)

# --- erf(x)/x as a polynomial in z = x² on [0, 1)
erf_over = over(mp.erf, 2 / mp.sqrt(mp.pi))
erf_small = Polynomial("erfRatio", interpolate(erf_over, zero, one, 12), zero, one,
                       "erf(x)/x as a function of v = x^2, for 0 <= x < 1.")
# rho = 8: |z| <= 2.54, |erf(s)/s| <= 2/sqrt(pi)·e^|z| < 15, |p| <= Σ|c|·2.54^k < 15
assert sum(abs(c) * mp.mpf("2.54") ** k for k, c in enumerate(erf_small.rounded)) < 15
erf_error = (sup(lambda z: erf_small(z) - erf_over(z), zero, one, 30) + erf_small.floors + mp.mpf(2) ** -60) / mp.mpf("0.8427")
state("erf, |x| < 1, relative", erf_error)

# --- e^(x²)·erfc(x) on [1, 6] as a polynomial in v = slope/(x + 5/2) - offset, which maps [1, 6] onto [-1, 1]
centre = mp.mpf(5) / 2
low, high = 1 / (6 + centre), 1 / (1 + centre)
slope, offset = 2 / (high - low), (high + low) / (high - low)
x_of = lambda v: slope / (v + offset) - centre
erfcx = lambda x: mp.exp(x * x) * mp.erfc(x)
erfc_scaled = Polynomial("erfcScaled", interpolate(lambda v: erfcx(x_of(v)), -one, one, 15), -one, one,
                         "e^(x^2) erfc(x) for 1 <= x <= 6 as a function of v = ERFC_SLOPE / (x + 5/2) - ERFC_OFFSET.")
difference = lambda x: mp.exp(-x * x) * erfc_scaled(slope / (x + centre) - offset) - mp.erfc(x)
# 40 pieces of width 1/8, rho = 4: the ellipse's half axes are below 0.133 and 0.118, so Re x > 0.86 and |e^(-x²)| <
# e^-0.72; |erfc(x)| < 3 there; |x + 5/2| >= 3.36 gives |v| <= 11.9/3.36·… < 2.5
m = 3 + sum(abs(c) * mp.mpf("2.5") ** k for k, c in enumerate(erfc_scaled.rounded))
assert slope / mp.mpf("3.36") - offset < mp.mpf("2.5")
erfc_approx = sup(difference, one, mp.mpf(6), m, pieces=40, n=50, rho=4)
# v is floored to 2^-60 (plus the rounding of slope and offset: 4 units in all), |d erfcScaled/dv| < 1;
# e^(-x²) < 0.368 with relative error exp_error, erfcScaled < 0.43; beyond 6, 1 - erf < erfc(6)
erfc_eval = mp.exp(-1) * (erfc_scaled.floors + mp.mpf(2) ** -58) + mp.mpf("0.158") * exp_error
state("erf, |x| >= 1, relative", (erfc_approx + erfc_eval + mp.erfc(6)) / mp.mpf("0.8427") + mp.mpf(2) ** -90)

PROVEN = -52
assert all(b < PROVEN for b in bounds.values()), "a bound is above 2^-52"

constants = {
    "LOG2_E": (int(mp.floor(mp.mpf(2) ** 229 / mp.log(2))), "log2(e) in units of 2^-229"),
    "ERFC_SLOPE": (int(mp.nint(slope * mp.mpf(2) ** 120)), "in units of 2^-120"),
    "ERFC_OFFSET": (int(mp.nint(offset * mp.mpf(2) ** 60)), "in units of 2^-60"),
}
polynomials = [exp2, exp2_sum, tanh_small, erf_small, erfc_scaled]
newline = "\n"
bound_lines = [f"{name}: error < 2^{b:.2f}" for name, b in bounds.items()]

solidity = f"""// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

// Generated by scripts/generate-scalar-constants.py: do not edit.

{newline.join(f"/// @dev {doc}{newline}uint256 constant {name} = {hex(v)};" for name, (v, doc) in constants.items())}

/// @title Polynomials behind ScalarMath
/// @notice The variable is in units of 2^-60, the result in units of 2^-100 unless told. Bounds proven by the generator:
{newline.join(f"///         {line}" for line in bound_lines)}
library ScalarPolynomials {{
{(newline * 2).join(p.solidity() for p in polynomials)}
}}
"""
typescript = f"""// Generated by scripts/generate-scalar-constants.py: do not edit.

{newline.join(f"/** {doc} */{newline}export const {name} = {hex(v)}n;" for name, (v, doc) in constants.items())}

/** Horner steps `p = (p >> shift)·v + coefficient` from the highest degree down, then `p >> shift`. */
export interface Polynomial {{
  readonly steps: readonly (readonly [coefficient: bigint, shift: bigint])[];
  readonly shift: bigint;
}}

{(newline * 2).join(p.typescript() for p in polynomials)}
"""
for path, text in (("contracts/numerics/ScalarPolynomials.sol", solidity), ("packages/numerics/src/scalar-polynomials.ts", typescript)):
    target = ROOT / path
    if "--check" in sys.argv:
        assert target.read_text() == text, f"{path} is not what this script writes"
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
