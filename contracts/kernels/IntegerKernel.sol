// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {FloatFormat, Format} from "../numerics/FloatFormat.sol";
import {OpenResult} from "../numerics/OpenResult.sol";
import {Real, RealMath} from "../numerics/Real.sol";
import {ScalarSeries} from "../numerics/ScalarSeries.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp, UnsupportedDtype} from "./KernelErrors.sol";

/// @title Integer: exact arithmetic, logic and bits of integers and booleans
/// @dev Results wrap around as two's complement does. Where C++ leaves the result undefined, no claim is
///      Fraudulent.
///      Rules: docs/numerics/integer.md. Twin: packages/numerics/src/integer.ts.
contract IntegerKernel is IKernel {
    using FloatFormat for Format;

    uint8 private constant ADD = 0;
    uint8 private constant SUB = 1;
    uint8 private constant MUL = 2;
    uint8 private constant DIV = 3;
    uint8 private constant MOD = 4;
    uint8 private constant FMOD = 5;
    uint8 private constant MIN = 6;
    uint8 private constant MAX = 7;
    uint8 private constant CLIP = 8;
    uint8 private constant NEG = 9;
    uint8 private constant ABS = 10;
    uint8 private constant SIGN = 11;
    uint8 private constant RELU = 12;
    uint8 private constant POW = 13;
    uint8 private constant AND = 14;
    uint8 private constant OR = 15;
    uint8 private constant XOR = 16;
    uint8 private constant NOT = 17;
    uint8 private constant SHIFT_LEFT = 18;
    uint8 private constant SHIFT_RIGHT = 19;
    uint8 private constant EQUAL = 20;
    uint8 private constant LESS = 21;
    uint8 private constant LESS_OR_EQUAL = 22;

    /// @dev Operands by op, one nibble each, op 0 lowest.
    uint256 private constant ARITIES = 0x22222122221111322222222;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        (int256[3] memory x, bool undefined) = _operands(input);
        if (undefined) {
            judgement.verdict = Verdict.Imprecise;
            return judgement;
        }
        uint8 dtype = uint8(input.dtypes[0]);
        if (input.op == POW && x[2] == 1 && x[0] != 1) return _fractionalPower(input, x[0]);
        int256 exact;
        uint256 band;
        if (input.op == POW && x[2] == 2) undefined = true;
        else if (input.op == POW) (exact, band, undefined) = _power(x[0], x[1], dtype);
        else (exact, undefined) = _compute(input.op, x, dtype);
        if (undefined) {
            judgement.verdict = _judgeOpen(input.op, x, Dtype.sizeOf(dtype), input.claimed);
            return judgement;
        }

        uint256 mask = (1 << (8 * Dtype.sizeOf(input.dtype))) - 1;
        judgement.exact = Dtype.toInteger(input.dtype, uint256(exact) & mask);
        judgement.provable = judgement.integrity = band;
        unchecked {
            int256 difference = Dtype.toInteger(input.dtype, input.claimed) - judgement.exact;
            bool acceptable = uint256(difference < 0 ? -difference : difference) <= band;
            if (!acceptable && input.op == FMOD)
                acceptable = _isFloatRemainder(x[0], x[1], judgement.exact + difference);
            if (!acceptable && dtype == Dtype.INT64)
                acceptable = _isByHalves(input.op, x, judgement.exact + difference);
            judgement.verdict = acceptable ? Verdict.Acceptable : Verdict.Fraudulent;
        }
    }

    /// @dev Checks and reads the operands. `undefined`: one is a boolean that is neither 0 nor 1.
    function _operands(KernelInput calldata input) private pure returns (int256[3] memory x, bool undefined) {
        uint8 op = input.op;
        if (op > LESS_OR_EQUAL) revert UnknownOp(op);
        if (input.params.length != 0) revert ParamsLength(0, input.params.length);
        uint256 count = (ARITIES >> (4 * uint256(op))) & 15;
        if (input.operands.length != count) revert OperandCount(count, input.operands.length);

        uint8 first = KernelChecks.dtypeOf(input, 0);
        bool logical = first == Dtype.BOOL && op >= AND && op != SHIFT_LEFT && op != SHIFT_RIGHT;
        if (!logical && !Dtype.isInteger(first)) revert UnsupportedDtype(0, first);
        KernelChecks.requireOutput(input, op >= EQUAL ? Dtype.BOOL : first);
        for (uint256 i = 0; i < count; ++i) {
            uint8 dtype = KernelChecks.dtypeOf(input, i);
            // a power's exponent may be of any numeric type
            bool float = op == POW && i == 1 && Dtype.isFloat(dtype);
            if (op == POW ? !float && !Dtype.isInteger(dtype) : dtype != first)
                revert UnsupportedDtype(i, dtype);
            uint256 size = Dtype.sizeOf(dtype);
            if (input.operands[i].length != size) revert OperandLength(i, size, input.operands[i].length);
            uint256 bits = Dtype.at(input.operands[i], 0, size);
            if (float) (x[1], x[2]) = _floor(FloatFormat.forDtype(dtype), bits);
            else x[i] = Dtype.toInteger(dtype, bits);
            if (dtype == Dtype.BOOL && x[i] > 1) undefined = true;
        }
    }

    /// @dev The exact result, of which the low bits count.
    function _compute(
        uint8 op,
        int256[3] memory x,
        uint8 dtype
    ) private pure returns (int256 result, bool undefined) {
        (int256 a, int256 b) = (x[0], x[1]);
        unchecked {
            if (op == ADD) return (a + b, false);
            if (op == SUB) return (a - b, false);
            if (op == MUL) return (a * b, false);
            if (op <= FMOD) {
                // division by zero, and of the smallest number by -1, trap on some processors
                if (b == 0 || (b == -1 && a == _smallest(dtype))) return (0, true);
                if (op == DIV) return (a / b, false);
                result = a % b;
                if (op == MOD && result != 0 && (result < 0) != (b < 0)) result += b;
                return (result, false);
            }
            if (op == MIN) return (a < b ? a : b, false);
            if (op == MAX) return (a > b ? a : b, false);
            if (op == CLIP) {
                // where low > high, high wins, as in ONNX
                if (a < b) a = b;
                return (a > x[2] ? x[2] : a, false);
            }
            if (op == NEG) return (-a, false);
            if (op == ABS) return (a < 0 ? -a : a, false);
            if (op == SIGN)
                return (
                    a > 0
                        ? int256(1)
                        : a < 0
                            ? int256(-1)
                            : int256(0),
                    false
                );
            if (op == RELU) return (a < 0 ? int256(0) : a, false);
            if (op == AND) return (a & b, false);
            if (op == OR) return (a | b, false);
            if (op == XOR) return (a ^ b, false);
            if (op == NOT) return (dtype == Dtype.BOOL ? 1 - a : ~a, false);
            if (op == EQUAL) return (a == b ? int256(1) : int256(0), false);
            if (op == LESS) return (a < b ? int256(1) : int256(0), false);
            if (op == LESS_OR_EQUAL) return (a <= b ? int256(1) : int256(0), false);
            // shifts: by a negative number, or by the width or more, is undefined in C++
            if (b < 0 || b >= int256(8 * Dtype.sizeOf(dtype))) return (0, true);
            return (op == SHIFT_LEFT ? a << uint256(b) : a >> uint256(b), false);
        }
    }

    /// @dev The integer not above a float and whether there is a rest: 1, or 2 if it is not finite. Beyond ±2^60 it stands
    ///      for any other even integer of its sign.
    function _floor(Format memory f, uint256 bits) private pure returns (int256 whole, int256 rest) {
        if (!f.isFinite(bits)) return (0, 2);
        (bool negative, uint256 m, int256 e) = f.decode(bits);
        unchecked {
            uint256 size;
            if (e >= 0) size = e > 60 ? (m == 0 ? 0 : 1 << 60) : m << uint256(e);
            else size = m >> uint256(-e);
            if (e < 0 && (e < -60 ? m != 0 : size << uint256(-e) != m)) rest = 1;
            whole = negative ? -int256(size) - rest : int256(size);
        }
    }

    /// @dev A base other than 1 to the power of a float that is no integer: the real power, computed in float64 to within 2^-50,
    ///      towards zero. Of a negative base it is NaN, which converts to anything.
    function _fractionalPower(
        KernelInput calldata input,
        int256 base
    ) private pure returns (Judgement memory judgement) {
        uint8 dtype = input.dtype;
        Real power = RealMath.ZERO;
        {
            uint8 type_ = uint8(input.dtypes[1]);
            uint256 bits = Dtype.at(input.operands[1], 0, Dtype.sizeOf(type_));
            (bool negative, uint256 m, int256 e) = FloatFormat.forDtype(type_).decode(bits);
            if (base < 0 || (base == 0 && negative)) {
                judgement.verdict = OpenResult.judge(input.claimed, Dtype.sizeOf(dtype), 0);
                return judgement;
            }
            Real y = RealMath.from(negative ? -int256(m) : int256(m), e);
            if (base != 0) power = ScalarSeries.exp(y * ScalarSeries.ln(RealMath.from(base, 0)));
        }
        Real margin = power.scale(-50);
        (int256 least, int256 most) = (_floorOf(power - margin), _floorOf(power + margin));
        int256 claimed = Dtype.toInteger(dtype, input.claimed);
        if (most > _largest(dtype)) {
            // a number that the type holds, or what conversion makes of one that it does not
            if (claimed < least) judgement.verdict = OpenResult.judge(input.claimed, Dtype.sizeOf(dtype), 0);
            return judgement;
        }
        if (claimed < least || claimed > most) judgement.verdict = Verdict.Fraudulent;
        judgement.exact = most;
        judgement.provable = judgement.integrity = uint256(most - least);
    }

    /// @dev A number that is not negative, floored; what is above every type as 2^64.
    function _floorOf(Real a) private pure returns (int256) {
        if (!a.within(64)) return 1 << 64;
        (int256 m, int256 e) = RealMath.parts(a);
        unchecked {
            return e < -255 ? int256(0) : m >> uint256(-e);
        }
    }

    /// @dev base^exponent towards zero, with the half-width of what a result computed in float64 may be; undefined beyond
    ///      the type, where software converts a float64 that is out of range.
    function _power(
        int256 base,
        int256 exponent,
        uint8 dtype
    ) private pure returns (int256 result, uint256 band, bool undefined) {
        unchecked {
            (result, undefined) = _integerPower(base, exponent, dtype);
            if (undefined) return (0, 0, true);
            uint256 size = uint256(result < 0 ? -result : result);
            // exact up to 2^53 (the mathematical library rounds an exact power to itself), 4 units of float64 beyond
            if (size > 1 << 53) band = size >> 50;
            if (result > _largest(dtype) - int256(band)) return (0, 0, true);
        }
    }

    /// @dev base^exponent towards zero; undefined if that is infinite or not in the type.
    function _integerPower(
        int256 base,
        int256 exponent,
        uint8 dtype
    ) private pure returns (int256 result, bool) {
        unchecked {
            if (exponent == 0 || base == 1) return (1, false);
            if (base == 0) return (0, exponent < 0);
            if (base == -1) return (exponent & 1 == 0 ? int256(1) : int256(-1), false);
            if (exponent < 0) return (0, false);
            // |base| >= 2: past 64 factors the result is out of range for certain
            if (exponent > 64) return (0, true);
            result = 1;
            int256 largest = _largest(dtype);
            int256 smallest = _smallest(dtype);
            for (int256 i = 0; i < exponent; ++i) {
                result *= base;
                // a smaller power out of range, and so is this one
                if (result > 2 * largest || result < 2 * smallest - 2 * largest) return (0, true);
            }
            return (result, result > largest || result < smallest);
        }
    }

    /// @dev Where the result is open: some processors return the dividend's remainder by zero, others count shifts modulo
    ///      a width; a power may wrap around.
    function _judgeOpen(
        uint8 op,
        int256[3] memory x,
        uint256 size,
        uint256 claimed
    ) private pure returns (Verdict verdict) {
        unchecked {
            uint256 wrapped = uint256(x[0]);
            if (op == POW) wrapped = x[2] == 0 && x[1] >= 0 ? _wrappedPower(x[0], x[1]) : 0;
            if (op != SHIFT_LEFT && op != SHIFT_RIGHT) return OpenResult.judge(claimed, size, wrapped);
            for (uint256 width = 8; width <= 64; width *= 2) {
                uint256 places = uint256(x[1]) & (width - 1);
                wrapped = op == SHIFT_LEFT ? uint256(x[0]) << places : uint256(x[0] >> places);
                verdict = OpenResult.judge(claimed, size, wrapped);
                if (verdict == Verdict.Acceptable) return verdict;
            }
        }
    }

    /// @dev base^exponent modulo 2^256.
    function _wrappedPower(int256 base, int256 exponent) private pure returns (uint256 power) {
        unchecked {
            power = 1;
            uint256 factor = uint256(base);
            for (uint256 rest = uint256(exponent); rest != 0; rest >>= 1) {
                if (rest & 1 == 1) power *= factor;
                factor *= factor;
            }
        }
    }

    /// @dev Whether `claimed` is a modulo b by way of float64, as software does that has one fmod for all types.
    function _isFloatRemainder(int256 a, int256 b, int256 claimed) private pure returns (bool) {
        unchecked {
            return claimed == _asFloat64(a) % _asFloat64(b);
        }
    }

    /// @dev Whether `claimed` is what comparisons of int64 by 32-bit halves give, as onnxruntime's on x86 are: where the
    ///      high halves are equal they take the low ones for numbers with a sign.
    function _isByHalves(uint8 op, int256[3] memory x, int256 claimed) private pure returns (bool) {
        if (op == SIGN) return claimed == (_byHalves(x[0]) < 0 ? int256(-1) : int256(1)) && x[0] != 0;
        if (op == MIN) return claimed == _smaller(x[0], x[1], true);
        if (op == MAX) return claimed == _larger(x[0], x[1], true);
        if (op != CLIP) return false;
        // each of the two may be vectorised or not
        for (uint256 i = 0; i < 4; ++i)
            if (claimed == _smaller(_larger(x[0], x[1], i & 1 != 0), x[2], i & 2 != 0)) return true;
        return false;
    }

    function _larger(int256 a, int256 b, bool halves) private pure returns (int256) {
        return (halves ? _byHalves(a) > _byHalves(b) : a > b) ? a : b;
    }

    function _smaller(int256 a, int256 b, bool halves) private pure returns (int256) {
        return (halves ? _byHalves(a) < _byHalves(b) : a < b) ? a : b;
    }

    /// @dev An integer whose order is the one by halves.
    function _byHalves(int256 value) private pure returns (int256) {
        unchecked {
            return value & (1 << 31) != 0 ? value - (1 << 32) : value;
        }
    }

    /// @dev The integer that float64 rounds an integer of up to 64 bits to.
    function _asFloat64(int256 value) private pure returns (int256) {
        unchecked {
            uint256 size = uint256(value < 0 ? -value : value);
            if (size >> 53 == 0) return value;
            uint256 drop = Math.log2(size) - 52;
            uint256 half = 1 << (drop - 1);
            uint256 rest = size & (2 * half - 1);
            size >>= drop;
            if (rest > half || (rest == half && size & 1 == 1)) ++size;
            return value < 0 ? -int256(size << drop) : int256(size << drop);
        }
    }

    function _smallest(uint8 dtype) private pure returns (int256) {
        unchecked {
            return Dtype.isSigned(dtype) ? -int256(1 << (8 * Dtype.sizeOf(dtype) - 1)) : int256(0);
        }
    }

    function _largest(uint8 dtype) private pure returns (int256) {
        unchecked {
            uint256 width = 8 * Dtype.sizeOf(dtype);
            return int256(1 << (Dtype.isSigned(dtype) ? width - 1 : width)) - 1;
        }
    }
}
