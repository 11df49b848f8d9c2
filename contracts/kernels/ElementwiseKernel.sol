// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Conversion} from "../numerics/Conversion.sol";
import {CorrectRounding} from "../numerics/CorrectRounding.sol";
import {FloatFormat, Format} from "../numerics/FloatFormat.sol";
import {OpenResult} from "../numerics/OpenResult.sol";
import {ReciprocalBand} from "../numerics/ReciprocalBand.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp, UnsupportedDtype} from "./KernelErrors.sol";

/// @notice A bound of Clip is NaN, or no element of its type.
error BadBound(uint64 bits);

/// @title Elementwise: one exact function of up to three elements of float16, float32 or float64
/// @dev Rules and proofs: docs/numerics/elementwise.md. Twin: packages/numerics/src/elementwise.ts.
contract ElementwiseKernel is IKernel {
    using FloatFormat for Format;

    /// @dev An operation with its operands. What is no float has an empty format.
    struct Call {
        uint8 op;
        uint8 dtype; // of the output
        uint8 operandDtype; // of all operands but Select's condition
        Format from; // of the operands
        Format to; // of the output
        uint256 count; // of x
        uint256[3] x; // Relu: x, 0; Clip: x, low, high; Select: what it selects
        uint256 infinities; // IsInf: 1 the negative, 2 the positive, 3 both
    }

    uint8 private constant ADD = 0;
    uint8 private constant SUB = 1;
    uint8 private constant MUL = 2;
    uint8 private constant DIV = 3;
    uint8 private constant RELU = 4;
    uint8 private constant CLIP = 5;
    uint8 private constant NEG = 6;
    uint8 private constant SQRT = 7;
    uint8 private constant ABS = 8;
    uint8 private constant SIGN = 9;
    uint8 private constant FLOOR = 10;
    uint8 private constant CEIL = 11;
    uint8 private constant ROUND = 12;
    uint8 private constant RECIPROCAL = 13;
    uint8 private constant MIN = 14;
    uint8 private constant MAX = 15;
    uint8 private constant FMOD = 16;
    uint8 private constant PRELU = 17;
    uint8 private constant EQUAL = 18;
    uint8 private constant LESS = 19;
    uint8 private constant LESS_OR_EQUAL = 20;
    uint8 private constant IS_NAN = 21;
    uint8 private constant IS_INF = 22;
    uint8 private constant SELECT = 23;
    uint8 private constant CAST = 24;
    uint8 private constant BIT_CAST = 25;

    /// @dev Operands by op, one nibble each, op 0 lowest. Clip has 3 without parameters.
    uint256 private constant ARITIES = 0x11311222222211111111312222;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        (Call memory call, bool undefined) = _call(input);
        if (undefined) {
            judgement.verdict = Verdict.Imprecise;
            return judgement;
        }
        if (call.op == RECIPROCAL) {
            bool acceptable;
            (acceptable, judgement.exact, judgement.provable, judgement.scale) = ReciprocalBand.judge(
                call.from,
                call.x[0],
                input.claimed
            );
            judgement.integrity = judgement.provable;
            judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        return _judge(call, input.claimed);
    }

    /// @dev Checks and reads the operands. `undefined`: one is a boolean that is neither 0 nor 1.
    function _call(KernelInput calldata input) private pure returns (Call memory call, bool undefined) {
        if (input.op > BIT_CAST) revert UnknownOp(input.op);
        call.op = input.op;
        call.dtype = input.dtype;
        call.count = (ARITIES >> (4 * uint256(call.op))) & 15;
        uint256 paramsLength = call.op == IS_INF ? 32 : 0;
        if (call.op == CLIP && input.params.length != 0) (call.count, paramsLength) = (1, 64);
        if (input.params.length != paramsLength) revert ParamsLength(paramsLength, input.params.length);
        if (input.operands.length != call.count) revert OperandCount(call.count, input.operands.length);

        for (uint256 i = 0; i < call.count; ++i) {
            uint8 dtype = KernelChecks.dtypeOf(input, i);
            if (i == 0 || (i == 1 && call.op == SELECT)) call.operandDtype = dtype;
            else if (dtype != call.operandDtype) revert UnsupportedDtype(i, dtype);
            uint256 size = Dtype.sizeOf(dtype);
            if (size == 0) revert UnsupportedDtype(i, dtype);
            if (input.operands[i].length != size) revert OperandLength(i, size, input.operands[i].length);
            call.x[i] = Dtype.at(input.operands[i], 0, size);
            if (dtype == Dtype.BOOL && call.x[i] > 1) undefined = true;
        }
        call.from = FloatFormat.forDtype(call.operandDtype);
        call.to = FloatFormat.forDtype(call.dtype);
        _requireOutput(call, input);

        if (call.op == SELECT) {
            (call.x[0], call.count) = (call.x[0] != 0 ? call.x[1] : call.x[2], 1);
        } else if (call.op == RELU) {
            call.count = 2;
        } else if (call.op == CLIP && paramsLength != 0) {
            (uint64 low, uint64 high) = abi.decode(input.params, (uint64, uint64));
            _requireBound(call.from, low);
            _requireBound(call.from, high);
            (call.x[1], call.x[2], call.count) = (low, high, 3);
        } else if (call.op == IS_INF) {
            call.infinities = abi.decode(input.params, (uint8));
        }
    }

    function _requireOutput(Call memory call, KernelInput calldata input) private pure {
        if (call.op == SELECT && KernelChecks.dtypeOf(input, 0) != Dtype.BOOL)
            revert UnsupportedDtype(0, KernelChecks.dtypeOf(input, 0));
        if (call.op < SELECT && call.from.sign == 0) revert UnsupportedDtype(0, call.operandDtype);
        bool fits = call.dtype == call.operandDtype;
        if (call.op >= EQUAL && call.op <= IS_INF) fits = call.dtype == Dtype.BOOL;
        else if (call.op == CAST) fits = Dtype.sizeOf(call.dtype) != 0;
        else if (call.op == BIT_CAST) fits = Dtype.sizeOf(call.dtype) == Dtype.sizeOf(call.operandDtype);
        if (!fits) revert UnsupportedDtype(type(uint256).max, call.dtype);
    }

    function _requireBound(Format memory f, uint64 bits) private pure {
        if (bits >= 2 * f.sign || f.isNaN(bits)) revert BadBound(bits);
    }

    /// @dev One right result, but for subnormals, which hardware may read or write as zeros.
    function _judge(Call memory call, uint256 claimed) private pure returns (Judgement memory judgement) {
        (uint256 expected, bool tiny, bool undefined) = _compute(call);
        if (undefined) {
            judgement.verdict = OpenResult.judge(claimed, Dtype.sizeOf(call.dtype), expected);
            return judgement;
        }
        bool acceptable = _matches(call, claimed, expected, tiny) || _special(call, expected, claimed);
        uint256 spread = tiny ? _distance(call, expected, 0) : 0;

        uint256[3] memory x = call.x;
        for (uint256 flush = 1; flush < 1 << call.count; ++flush) {
            call.x = [x[0], x[1], x[2]];
            bool possible = call.from.sign != 0 && call.op != BIT_CAST;
            for (uint256 i = 0; i < call.count && possible; ++i) {
                if ((flush >> i) & 1 == 0) continue;
                possible = call.from.isSubnormal(x[i]);
                call.x[i] = x[i] & call.from.sign;
            }
            if (!possible) continue;
            (uint256 other, bool otherTiny, ) = _compute(call);
            acceptable =
                acceptable ||
                _matches(call, claimed, other, otherTiny) ||
                _special(call, other, claimed);
            uint256 distance = _distance(call, expected, other);
            if (distance > spread) spread = distance;
        }

        judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
        call.x = x;
        if (!acceptable && _losesNaN(call, claimed)) judgement.verdict = Verdict.Imprecise;
        if (call.to.sign == 0) {
            judgement.exact = Dtype.toInteger(call.dtype, expected);
        } else if (call.to.isFinite(expected) && call.to.isFinite(claimed)) {
            (bool negative, uint256 mantissa, int256 exponent) = call.to.decode(expected);
            judgement.exact = negative ? -int256(mantissa) : int256(mantissa);
            judgement.scale = exponent;
        } else {
            spread = 0;
        }
        judgement.provable = judgement.integrity = spread;
    }

    /// @dev The result by IEEE 754 and ONNX, whether its magnitude is one that hardware may flush to zero, and whether
    ///      it is left open.
    function _compute(Call memory call) private pure returns (uint256 bits, bool tiny, bool undefined) {
        Format memory f = call.from;
        (uint256 a, uint256 b) = (call.x[0], call.x[1]);
        uint8 op = call.op;
        if (op == CAST) return Conversion.convert(call.operandDtype, call.dtype, f, call.to, a);
        if (op == BIT_CAST) return (a, false, false);
        if (op >= EQUAL && op <= IS_INF) return (_test(call) ? 1 : 0, false, false);

        if (op == ADD) (bits, tiny) = CorrectRounding.add(f, a, b);
        else if (op == SUB) (bits, tiny) = CorrectRounding.add(f, a, b ^ f.sign);
        else if (op == MUL) (bits, tiny) = CorrectRounding.multiply(f, a, b);
        else if (op == DIV) (bits, tiny) = CorrectRounding.divide(f, a, b);
        else if (op == SQRT) (bits, tiny) = CorrectRounding.squareRoot(f, a);
        else if (op == FMOD) (bits, tiny) = CorrectRounding.remainder(f, a, b);
        else if (op == PRELU && f.order(a) < 0 && !f.isNaN(a))
            (bits, tiny) = CorrectRounding.multiply(f, a, b);
        else if (op >= FLOOR && op <= ROUND)
            bits = CorrectRounding.integral(f, a, CorrectRounding.Direction(op - FLOOR));
        else (bits, tiny) = _pick(call);
    }

    /// @dev Operations that return an operand, but for its sign, or a constant.
    function _pick(Call memory call) private pure returns (uint256 bits, bool tiny) {
        Format memory f = call.from;
        uint8 op = call.op;
        bits = call.x[0];
        if (op == NEG) bits ^= f.sign;
        else if (op == ABS) bits = f.magnitude(bits);
        else if (op == SIGN && !f.isNaN(bits) && !f.isZero(bits)) {
            uint256 one = (f.infinity >> 1) & ~((1 << f.fractionBits) - 1);
            bits = (bits & f.sign) | one;
        } else if (_chooses(op)) {
            if (_anyNaN(call)) return (f.nan(), false);
            if (op == MIN ? f.order(call.x[1]) < f.order(bits) : f.order(call.x[1]) > f.order(bits))
                bits = call.x[1];
            // where low > high, high wins, as in ONNX
            if (op == CLIP && f.order(call.x[2]) < f.order(bits)) bits = call.x[2];
        }
        tiny = f.sign != 0 && f.isSubnormal(bits);
    }

    /// @dev Comparisons and tests; with NaN all comparisons are false.
    function _test(Call memory call) private pure returns (bool) {
        Format memory f = call.from;
        (uint256 a, uint256 b) = (call.x[0], call.x[1]);
        if (call.op == IS_NAN) return f.isNaN(a);
        if (call.op == IS_INF) return f.isInfinite(a) && call.infinities & (a & f.sign != 0 ? 1 : 2) != 0;
        if (f.isNaN(a) || f.isNaN(b)) return false;
        if (call.op == EQUAL) return f.order(a) == f.order(b);
        return call.op == LESS ? f.order(a) < f.order(b) : f.order(a) <= f.order(b);
    }

    /// @dev Equal as a result: of floats, zeros of both signs are equal, and so are all NaNs.
    function _matches(
        Call memory call,
        uint256 claimed,
        uint256 expected,
        bool tiny
    ) private pure returns (bool) {
        if (claimed == expected) return true;
        if (call.to.sign == 0 || call.op == BIT_CAST) return false;
        if (call.to.isNaN(expected)) return call.to.isNaN(claimed);
        return call.to.isZero(claimed) && (tiny || call.to.isZero(expected));
    }

    /// @dev What honest software may return besides.
    function _special(Call memory call, uint256 expected, uint256 claimed) private pure returns (bool) {
        Format memory f = call.from;
        if (_chooses(call.op)) {
            // Where subnormals are read as zeros either of two operands that are equal then may come out.
            return f.isTiny(expected) && f.isTiny(claimed) && _isOperand(call, claimed);
        }
        if (call.op == SIGN) return f.isNaN(call.x[0]) && f.isZero(claimed);
        if (call.op == PRELU && f.isZero(call.x[0])) {
            (uint256 product, ) = CorrectRounding.multiply(f, call.x[0], call.x[1]);
            return _matches(call, claimed, product, false);
        }
        if (call.op == CAST && call.operandDtype == Dtype.FLOAT64 && call.dtype == Dtype.FLOAT16) {
            // by way of float32
            Format memory single = FloatFormat.forDtype(Dtype.FLOAT32);
            (uint256 bits, , ) = Conversion.convert(Dtype.FLOAT64, Dtype.FLOAT32, f, single, call.x[0]);
            bool tiny;
            (bits, tiny, ) = Conversion.convert(Dtype.FLOAT32, Dtype.FLOAT16, single, call.to, bits);
            return _matches(call, claimed, bits, tiny);
        }
        return false;
    }

    /// @dev Whether the claim is another operand where one is NaN: some maximum instructions return it, but onnxruntime's
    ///      kernels keep the NaN.
    function _losesNaN(Call memory call, uint256 claimed) private pure returns (bool) {
        return _chooses(call.op) && _anyNaN(call) && _isOperand(call, claimed);
    }

    function _isOperand(Call memory call, uint256 claimed) private pure returns (bool) {
        for (uint256 i = 0; i < call.count; ++i) if (_matches(call, claimed, call.x[i], false)) return true;
        return false;
    }

    /// @dev Whether the operation returns one of its operands, by their order.
    function _chooses(uint8 op) private pure returns (bool) {
        return op == RELU || op == CLIP || op == MIN || op == MAX;
    }

    function _anyNaN(Call memory call) private pure returns (bool) {
        for (uint256 i = 0; i < call.count; ++i) if (call.from.isNaN(call.x[i])) return true;
        return false;
    }

    /// @dev |x - y| of two results in units of x's last place, rounded up; 0 unless both are finite.
    function _distance(Call memory call, uint256 x, uint256 y) private pure returns (uint256) {
        unchecked {
            if (call.to.sign == 0) {
                int256 difference = Dtype.toInteger(call.dtype, x) - Dtype.toInteger(call.dtype, y);
                return uint256(difference < 0 ? -difference : difference);
            }
            if (!call.to.isFinite(x) || !call.to.isFinite(y)) return 0;
            (bool xNegative, uint256 m, int256 e) = call.to.decode(x);
            (bool yNegative, uint256 n, int256 g) = call.to.decode(y);
            // y comes from the same operation with subnormal operands flushed: it is not much larger than x
            uint256 rest = 0;
            if (g >= e) {
                n <<= uint256(g - e);
            } else {
                uint256 whole = n >> uint256(e - g);
                rest = whole << uint256(e - g) == n ? 0 : 1;
                n = whole;
            }
            return (xNegative == yNegative ? (m > n ? m - n : n - m) : m + n) + rest;
        }
    }
}
