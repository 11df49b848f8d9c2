// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {CorrectRounding} from "../numerics/CorrectRounding.sol";
import {Float32} from "../numerics/Float32.sol";
import {ScalarMath} from "../numerics/ScalarMath.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp} from "./KernelErrors.sol";

/// @notice A bound of Clip is NaN.
error NanBound(uint32 bits);

/// @title Elementwise: one scalar function of one or two elements
/// @dev Rules and proofs: docs/numerics/elementwise.md. Twin: packages/numerics/src/elementwise.ts.
contract ElementwiseKernel is IKernel {
    /// @dev An exact operation with its operands; `low` and `high` are Clip's.
    struct Call {
        uint8 op;
        uint32 a;
        uint32 b;
        uint32 low;
        uint32 high;
    }

    uint8 private constant ADD = 0;
    uint8 private constant SUB = 1;
    uint8 private constant MUL = 2;
    uint8 private constant DIV = 3;
    uint8 private constant RELU = 4;
    uint8 private constant CLIP = 5;
    uint8 private constant NEG = 6;
    uint8 private constant SQRT = 7;
    uint8 private constant EXP = 8;
    uint8 private constant SIGMOID = 9;
    uint8 private constant TANH = 10;
    uint8 private constant ERF = 11;

    /// @dev Results are counted in units no finer than 2^-200.
    int256 private constant FINEST = -200;
    /// @dev Slack above 1 for what saturating functions return for NaN: 1 + 2^-20.
    uint32 private constant JUST_ABOVE_ONE = 0x3f800008;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory) {
        if (input.op > ERF) revert UnknownOp(input.op);
        KernelChecks.requireAll(input, Dtype.FLOAT32);
        uint256 arity = input.op <= DIV ? 2 : 1;
        if (input.operands.length != arity) revert OperandCount(arity, input.operands.length);
        for (uint256 i = 0; i < arity; ++i) {
            if (input.operands[i].length != 4) revert OperandLength(i, 4, input.operands[i].length);
        }
        uint256 paramsLength = input.op == CLIP ? 64 : 0;
        if (input.params.length != paramsLength) revert ParamsLength(paramsLength, input.params.length);

        uint32 a = Float32.at(input.operands[0], 0);
        if (input.op >= EXP) return _judgeApproximate(input.op, a, uint32(input.claimed));
        Call memory call = Call({op: input.op, a: a, b: 0, low: 0, high: Float32.INFINITY});
        if (arity == 2) call.b = Float32.at(input.operands[1], 0);
        if (input.op == CLIP) {
            (call.low, call.high) = abi.decode(input.params, (uint32, uint32));
            if (Float32.isNaN(call.low)) revert NanBound(call.low);
            if (Float32.isNaN(call.high)) revert NanBound(call.high);
        }
        return _judgeExact(call, uint32(input.claimed));
    }

    /// @dev Operations with one right result, but for subnormals, which hardware may read or write as zeros.
    function _judgeExact(Call memory call, uint32 claimed) private pure returns (Judgement memory judgement) {
        (uint32 expected, bool tiny) = _compute(call);
        bool acceptable = _matches(claimed, expected, tiny) || _special(call, expected, claimed);
        uint256 spread = tiny ? _distance(expected, 0) : 0;

        uint32 a = call.a;
        uint32 b = call.b;
        for (uint256 flush = 1; flush < 4; ++flush) {
            if (flush & 1 != 0 && !Float32.isSubnormal(a)) continue;
            if (flush & 2 != 0 && !Float32.isSubnormal(b)) continue;
            call.a = flush & 1 != 0 ? a & Float32.SIGN : a;
            call.b = flush & 2 != 0 ? b & Float32.SIGN : b;
            (uint32 other, bool otherTiny) = _compute(call);
            acceptable = acceptable || _matches(claimed, other, otherTiny);
            if (Float32.isFinite(expected) && Float32.isFinite(other)) {
                uint256 distance = _distance(expected, other);
                if (distance > spread) spread = distance;
            }
        }

        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
        if (Float32.isFinite(expected) && Float32.isFinite(claimed)) {
            (bool negative, uint256 mantissa, int256 exponent) = Float32.decode(expected);
            judgement.exact = negative ? -int256(mantissa) : int256(mantissa);
            judgement.provable = judgement.integrity = spread;
            judgement.scale = exponent;
        }
    }

    /// @dev The IEEE result, and whether its magnitude is one that hardware may flush to zero.
    function _compute(Call memory call) private pure returns (uint32 bits, bool tiny) {
        if (call.op == ADD) return CorrectRounding.add(call.a, call.b);
        if (call.op == SUB) return CorrectRounding.add(call.a, call.b ^ Float32.SIGN);
        if (call.op == MUL) return CorrectRounding.multiply(call.a, call.b);
        if (call.op == DIV) return CorrectRounding.divide(call.a, call.b);
        if (call.op == SQRT) return CorrectRounding.squareRoot(call.a);
        bits = call.a;
        if (call.op == NEG) {
            bits ^= Float32.SIGN;
        } else if (!Float32.isNaN(bits)) {
            // Relu is Clip to [0, +Inf]; where low > high, high wins, as in ONNX
            if (Float32.order(bits) < Float32.order(call.low)) bits = call.low;
            if (Float32.order(bits) > Float32.order(call.high)) bits = call.high;
        }
        tiny = Float32.isSubnormal(bits);
    }

    /// @dev Equal as a result: zeros of both signs are equal, so are all NaNs.
    function _matches(uint32 claimed, uint32 expected, bool tiny) private pure returns (bool) {
        if (claimed == expected) return true;
        if (Float32.isNaN(expected)) return Float32.isNaN(claimed);
        return Float32.isZero(claimed) && (tiny || Float32.isZero(expected));
    }

    /// @dev What maximum and minimum instructions do besides: given NaN they may return the other operand, and where
    ///      they read subnormals as zeros they may return either of two operands that are equal then.
    function _special(Call memory call, uint32 expected, uint32 claimed) private pure returns (bool) {
        if (call.op != RELU && call.op != CLIP) return false;
        if (Float32.isNaN(expected)) {
            if (claimed == call.low || _zeros(claimed, call.low)) return true;
            return call.op == CLIP && (claimed == call.high || _zeros(claimed, call.high));
        }
        if (!Float32.isTiny(expected) || !Float32.isTiny(claimed)) return false;
        return claimed == call.a || claimed == call.low || claimed == call.high;
    }

    function _zeros(uint32 x, uint32 y) private pure returns (bool) {
        return Float32.isZero(x) && Float32.isZero(y);
    }

    /// @dev |x - y| in units of x's last place, rounded up.
    function _distance(uint32 x, uint32 y) private pure returns (uint256) {
        (bool xNegative, uint256 m, int256 e) = Float32.decode(x);
        (bool yNegative, uint256 n, int256 f) = Float32.decode(y);
        unchecked {
            // y comes from the same operation with subnormal operands flushed: it is not much larger than x
            uint256 rest = 0;
            if (f >= e) {
                n <<= uint256(f - e);
            } else {
                uint256 whole = n >> uint256(e - f);
                rest = whole << uint256(e - f) == n ? 0 : 1;
                n = whole;
            }
            return (xNegative == yNegative ? (m > n ? m - n : n - m) : m + n) + rest;
        }
    }

    /// @dev Functions with a published accuracy: |y - f| <= ulps·2^-23·|f| + absolute.
    function _judgeApproximate(
        uint8 op,
        uint32 x,
        uint32 claimed
    ) private pure returns (Judgement memory judgement) {
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
