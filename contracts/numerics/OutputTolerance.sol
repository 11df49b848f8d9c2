// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {Float32} from "./Float32.sol";

/// @title Whether a claimed float32 output is near enough to the trace's (tolerant anchoring)
/// @notice With d = |claimed - traced| and b = absolute + relative·|traced|: Acceptable if d <= b, Imprecise if
///         d <= GROSS·b, else Fraudulent. ±Inf counts as ±2^128, the number that overflows to it. NaN is near NaN only.
/// @dev Numbers are cut to multiples of 2^base, base being 100 below the highest exponent among claimed, traced and
///      absolute; every cut is in the claim's favour and worth at most 2^-99 of the largest of the three.
///      Twin: packages/numerics/src/output-tolerance.ts.
library OutputTolerance {
    /// @notice Beyond how many tolerances a difference is no accident of another engine.
    uint256 internal constant GROSS = 16;

    /// @param absolute, relative float32 bits; finite, not negative, relative at most 1
    function judge(
        uint32 claimed,
        uint32 traced,
        uint32 absolute,
        uint32 relative
    ) internal pure returns (Verdict) {
        if (claimed == traced) return Verdict.Acceptable;
        if (Float32.isNaN(claimed) || Float32.isNaN(traced))
            return Float32.isNaN(claimed) && Float32.isNaN(traced) ? Verdict.Acceptable : Verdict.Fraudulent;
        (bool negativeC, uint256 c, int256 exponentC) = Float32.decode(claimed);
        (bool negativeT, uint256 t, int256 exponentT) = Float32.decode(traced);
        (, uint256 a, int256 exponentA) = Float32.decode(absolute);
        (, uint256 r, int256 exponentR) = Float32.decode(relative);
        unchecked {
            int256 base = exponentC > exponentT ? exponentC : exponentT;
            if (exponentA > base) base = exponentA;
            base -= 100;
            // Each below 2^124; c and t are cut by less than one unit.
            c = _scale(c, exponentC - base);
            t = _scale(t, exponentT - base);
            uint256 distance =
                negativeC != negativeT
                    ? c + t
                    : c > t
                        ? c - t
                        : t - c;
            if (distance != 0) --distance;
            // relative <= 1, so its exponent is at most -23.
            uint256 shift = uint256(-exponentR);
            uint256 bound =
                _scale(a, exponentA - base) + ((r * (t + 1)) >> shift) + (a == 0 && r == 0 ? 0 : 2);
            if (distance <= bound) return Verdict.Acceptable;
            return distance <= GROSS * bound ? Verdict.Imprecise : Verdict.Fraudulent;
        }
    }

    /// @dev floor(mantissa·2^shift), shift <= 100.
    function _scale(uint256 mantissa, int256 shift) private pure returns (uint256) {
        unchecked {
            return shift >= 0 ? mantissa << uint256(shift) : mantissa >> uint256(-shift);
        }
    }
}
