// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Judgement, Verdict} from "../kernels/IKernel.sol";
import {Float32} from "./Float32.sol";
import {ScalarMath} from "./ScalarMath.sol";

/// @title Exp, Sigmoid, Tanh and Erf of a float32
/// @dev Rules and proofs: docs/numerics/elementwise.md. Twin: packages/numerics/src/approximate.ts.
library Approximate {
    uint8 internal constant EXP = 26;
    uint8 internal constant SIGMOID = 27;
    uint8 internal constant TANH = 28;
    uint8 internal constant ERF = 29;

    /// @dev Results are counted in units no finer than 2^-200.
    int256 private constant FINEST = -200;
    /// @dev Slack above 1 for what saturating functions return for NaN: 1 + 2^-20.
    uint32 private constant JUST_ABOVE_ONE = 0x3f800008;

    /// @dev Functions with a published accuracy: |y - f| <= ulps·2^-23·|f| + absolute.
    function judge(
        uint8 op,
        uint32 x,
        uint32 claimed
    ) internal pure returns (Judgement memory judgement) {
        if (Float32.isNaN(x)) {
            judgement.verdict = _inRange(op, claimed) ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        judgement.verdict = Verdict.Fraudulent;
        if (Float32.isNaN(claimed)) return judgement;

        (uint256 r, int256 scale) = _evaluate(op, x);
        unchecked {
            if (scale < FINEST) {
                r >>= uint256(FINEST - scale);
                scale = FINEST;
            }
            // 2^-50 is above ScalarMath's error of 2^-52 and its share of the accuracy; 4 units are above all floors
            uint256 ulps =
                op == TANH
                    ? 8
                    : op == SIGMOID
                        ? 4
                        : 2;
            uint256 provable =
                ((r * ((ulps << 27) + 1)) >> 50) + _unitsOf(op == SIGMOID ? -22 : -125, scale) + 4;

            if (!Float32.isFinite(claimed)) {
                if (claimed == Float32.INFINITY && op == EXP && _overflows(r + provable, scale)) {
                    judgement.verdict = Verdict.Acceptable;
                }
                return judgement;
            }
            int256 exact = op >= TANH && x & Float32.SIGN != 0 ? -int256(r) : int256(r);
            int256 difference = _inUnits(claimed, scale) - exact;
            if (uint256(difference < 0 ? -difference : difference) <= provable)
                judgement.verdict = Verdict.Acceptable;
            judgement.exact = exact;
            judgement.provable = judgement.integrity = provable;
            judgement.scale = scale;
        }
    }

    /// @dev Whether r·2^scale >= (1 - 2^-25)·2^128, from where on rounding to nearest gives infinity; r < 2^128.
    function _overflows(uint256 r, int256 scale) private pure returns (bool) {
        unchecked {
            return scale > 103 || (scale >= -100 && r >= uint256(0x1ffffff) << uint256(103 - scale));
        }
    }

    /// @dev |f(x)| = r·2^q.
    function _evaluate(uint8 op, uint32 x) private pure returns (uint256 r, int256 q) {
        if (op == EXP) return ScalarMath.exp(x);
        if (op == SIGMOID) return ScalarMath.sigmoid(x);
        if (op == TANH) return ScalarMath.tanh(x);
        return ScalarMath.erf(x);
    }

    /// @dev Given NaN, hardware that clamps the argument first may return anything the function can be.
    function _inRange(uint8 op, uint32 claimed) private pure returns (bool) {
        if (Float32.isNaN(claimed)) return true;
        if (op >= TANH) claimed &= Float32.MAGNITUDE;
        return Float32.order(claimed) >= 0 && (op == EXP || claimed & Float32.MAGNITUDE <= JUST_ABOVE_ONE);
    }

    /// @dev 2^power in units of 2^scale, at least one unit.
    function _unitsOf(int256 power, int256 scale) private pure returns (uint256) {
        unchecked {
            return power > scale ? 1 << uint256(power - scale) : 1;
        }
    }

    /// @dev A finite float32 in units of 2^scale, truncated. Beyond 2^200 units the shift stops: far outside any band.
    function _inUnits(uint32 bits, int256 scale) private pure returns (int256 units) {
        (bool negative, uint256 mantissa, int256 exponent) = Float32.decode(bits);
        unchecked {
            int256 shift = exponent - scale;
            if (shift > 200) shift = 200;
            units = int256(shift < 0 ? mantissa >> uint256(-shift) : mantissa << uint256(shift));
            if (negative) units = -units;
        }
    }
}
