// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Float32} from "../numerics/Float32.sol";
import {IntegerDot} from "../numerics/IntegerDot.sol";
import {QuantisedRounding} from "../numerics/QuantisedRounding.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, IStreamingKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {
    OperandCount,
    OperandLength,
    ParamsLength,
    TooManyTerms,
    UnknownOp,
    UnsupportedDtype
} from "./KernelErrors.sol";

/// @title Quantised: integers that stand for scaled numbers, and exact sums of products of integers
/// @dev Operands of every operation are those of the ONNX operator, in its order:
///      Quantize 0: x, scale[, zero point] to an integer of 8 or 16 bits
///      Dequantize 1: x, scale[, zero point] to float32
///      Requantise 2: a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point[, bias], as QLinearMatMul
///      Sum 3: a, reduced, of 32 or 64 bits, wrapping around
///      Dot 4: a, b, both reduced, of one type of 32 or 64 bits, wrapping around; or of 8 bits each, into int32. Bit 0 of
///      the op: a zero point of a follows; bit 1: one of b.
///      Requantise, Sum and Dot stream: the state is their sum so far and its number of terms.
///      Rules and proofs: docs/numerics/quantised.md. Twin: packages/numerics/src/quantised.ts.
contract QuantisedKernel is IStreamingKernel {
    uint8 private constant QUANTIZE = 0;
    uint8 private constant DEQUANTIZE = 1;
    uint8 private constant REQUANTISE = 2;
    uint8 private constant SUM = 3;
    uint8 private constant DOT = 4;
    uint8 private constant LAST = 7;

    /// @dev Most terms of all segments together.
    uint256 private constant MAX_STREAMED_TERMS = 1 << 22;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory) {
        _check(input);
        if (input.op == QUANTIZE) return _quantize(input);
        if (input.op == DEQUANTIZE) return _dequantize(input);
        return _judgeSum(input, _sumOf(input));
    }

    /// @inheritdoc IStreamingKernel
    function fold(KernelInput calldata part, bytes calldata state) external pure returns (bytes memory) {
        _checkPart(part);
        uint256 sum = _sumOf(part);
        uint256 terms = part.operands[0].length / Dtype.sizeOf(uint8(part.dtypes[0]));
        if (state.length != 0) {
            (uint256 earlier, uint256 before) = abi.decode(state, (uint256, uint256));
            unchecked {
                sum += earlier; // modulo 2^256, of which every result is a residue
            }
            terms += before;
        }
        if (terms > MAX_STREAMED_TERMS) revert TooManyTerms(terms, MAX_STREAMED_TERMS);
        return abi.encode(sum, terms);
    }

    /// @inheritdoc IStreamingKernel
    function conclude(
        KernelInput calldata part,
        bytes calldata state
    ) external pure returns (Judgement memory) {
        _checkPart(part);
        (uint256 sum, ) = abi.decode(state, (uint256, uint256));
        return _judgeSum(part, sum);
    }

    function _checkPart(KernelInput calldata part) private pure {
        _check(part);
        if (part.op < REQUANTISE) revert UnknownOp(part.op);
    }

    function _check(KernelInput calldata input) private pure {
        if (input.op > LAST) revert UnknownOp(input.op);
        if (input.params.length != 0) revert ParamsLength(0, input.params.length);
        if (input.dtypes.length != input.operands.length)
            revert OperandCount(input.operands.length, input.dtypes.length);
    }

    /// @dev The sum of the operands' terms, before bias and scales.
    function _sumOf(KernelInput calldata input) private pure returns (uint256) {
        if (input.op == SUM) return _sum(input);
        if (input.op != REQUANTISE) return _dot(input);
        _requireCount(input, 8, 9);
        return uint256(_bytesDot(input, 0, 3, _zero(input, 2, 0), _zero(input, 5, 3)));
    }

    function _judgeSum(KernelInput calldata input, uint256 sum) private pure returns (Judgement memory) {
        return input.op == REQUANTISE ? _requantise(input, int256(sum)) : _exact(input, sum);
    }

    function _quantize(KernelInput calldata input) private pure returns (Judgement memory) {
        _requireCount(input, 2, 3);
        QuantisedRounding.Range memory range = _range(input, input.operands.length == 3 ? 2 : 0);
        return
            QuantisedRounding.quantize(
                _float32(input, 0),
                _float32(input, 1),
                range,
                Dtype.toInteger(input.dtype, input.claimed)
            );
    }

    /// @dev (x - zero point)·scale. The difference is exact but for 32-bit elements, where it is rounded to float32
    ///      first; that the product alone is rounded is then acceptable, too.
    function _dequantize(KernelInput calldata input) private pure returns (Judgement memory judgement) {
        _requireCount(input, 2, 3);
        KernelChecks.requireOutput(input, Dtype.FLOAT32);
        uint8 dtype = uint8(input.dtypes[0]);
        if (dtype < Dtype.UINT8 || dtype > Dtype.INT32) revert UnsupportedDtype(0, dtype);
        int256 difference = _integer(input, 0, dtype);
        if (input.operands.length == 3) difference -= _integer(input, 2, dtype);
        if (dtype == Dtype.INT32) difference = Dtype.toInteger(dtype, uint256(difference) & type(uint32).max);
        return QuantisedRounding.dequantize(difference, _float32(input, 1), uint32(input.claimed));
    }

    /// @dev The exact sum, times a_scale·b_scale / y_scale, rounded to an integer.
    function _requantise(KernelInput calldata input, int256 sum) private pure returns (Judgement memory) {
        if (input.operands.length == 9) sum += _integer(input, 8, Dtype.INT32);
        return
            QuantisedRounding.requantise(
                Dtype.toInteger(Dtype.INT32, uint256(sum) & type(uint32).max),
                [_float32(input, 1), _float32(input, 4), _float32(input, 6)],
                _range(input, 7),
                Dtype.toInteger(input.dtype, input.claimed)
            );
    }

    function _sum(KernelInput calldata input) private pure returns (uint256) {
        _requireCount(input, 1, 1);
        uint256 size = _requireWords(input, uint8(input.dtypes[0]));
        _requireTerms(input, 0, size);
        return IntegerDot.ofWords(input.operands[0], input.params[:0], size);
    }

    function _dot(KernelInput calldata input) private pure returns (uint256) {
        bool zeroA = input.op & 1 != 0;
        bool zeroB = input.op & 2 != 0;
        uint256 count = 2 + (zeroA ? 1 : 0) + (zeroB ? 1 : 0);
        _requireCount(input, count, count);
        uint8 dtype = uint8(input.dtypes[0]);
        if (Dtype.sizeOf(dtype) == 1) {
            KernelChecks.requireOutput(input, Dtype.INT32);
            int256 a = zeroA ? _zero(input, 2, 0) : int256(0);
            int256 b = zeroB ? _zero(input, count - 1, 1) : int256(0);
            return uint256(_bytesDot(input, 0, 1, a, b));
        }
        if (input.op != DOT) revert UnsupportedDtype(0, dtype);
        KernelChecks.requireOperand(input, 1, dtype);
        uint256 size = _requireWords(input, dtype);
        _requireTerms(input, 0, size);
        if (input.operands[1].length != input.operands[0].length)
            revert OperandLength(1, input.operands[0].length, input.operands[1].length);
        return IntegerDot.ofWords(input.operands[0], input.operands[1], size);
    }

    /// @dev Σ(a - zeroA)·(b - zeroB) over operands `i` and `j` of 8-bit integers.
    function _bytesDot(
        KernelInput calldata input,
        uint256 i,
        uint256 j,
        int256 zeroA,
        int256 zeroB
    ) private pure returns (int256) {
        uint8 a = _requireByte(input, i);
        uint8 b = _requireByte(input, j);
        _requireTerms(input, i, 1);
        if (input.operands[j].length != input.operands[i].length)
            revert OperandLength(j, input.operands[i].length, input.operands[j].length);
        return
            IntegerDot.ofBytes(
                input.operands[i],
                a == Dtype.INT8,
                zeroA,
                input.operands[j],
                b == Dtype.INT8,
                zeroB
            );
    }

    /// @dev Two's complement sums have one result.
    function _exact(
        KernelInput calldata input,
        uint256 sum
    ) private pure returns (Judgement memory judgement) {
        uint256 mask = (1 << (8 * Dtype.sizeOf(input.dtype))) - 1;
        judgement.exact = Dtype.toInteger(input.dtype, sum & mask);
        if (judgement.exact != Dtype.toInteger(input.dtype, input.claimed))
            judgement.verdict = Verdict.Fraudulent;
    }

    /// @dev The integers of the output's type, and its zero point, which is operand `zero` (0: there is none).
    function _range(
        KernelInput calldata input,
        uint256 zero
    ) private pure returns (QuantisedRounding.Range memory range) {
        uint8 dtype = input.dtype;
        if (dtype < Dtype.UINT8 || dtype > Dtype.INT16) revert UnsupportedDtype(type(uint256).max, dtype);
        uint256 bits = 8 * Dtype.sizeOf(dtype);
        range.low = Dtype.isSigned(dtype) ? -int256(1 << (bits - 1)) : int256(0);
        range.high = range.low + int256(1 << bits) - 1;
        if (zero != 0) range.zeroPoint = _integer(input, zero, dtype);
    }

    function _requireCount(KernelInput calldata input, uint256 least, uint256 most) private pure {
        uint256 count = input.operands.length;
        if (count < least || count > most) revert OperandCount(count < least ? least : most, count);
    }

    function _requireByte(KernelInput calldata input, uint256 operand) private pure returns (uint8 dtype) {
        dtype = uint8(input.dtypes[operand]);
        if (dtype != Dtype.UINT8 && dtype != Dtype.INT8) revert UnsupportedDtype(operand, dtype);
    }

    function _requireWords(KernelInput calldata input, uint8 dtype) private pure returns (uint256 size) {
        size = Dtype.sizeOf(dtype);
        if (!Dtype.isInteger(dtype) || size < 4) revert UnsupportedDtype(0, dtype);
        KernelChecks.requireOutput(input, dtype);
    }

    function _requireTerms(KernelInput calldata input, uint256 operand, uint256 size) private pure {
        uint256 length = input.operands[operand].length;
        uint256 terms = length / size;
        if (terms == 0 || length % size != 0) revert OperandLength(operand, (terms + 1) * size, length);
        if (terms > IntegerDot.MAX_TERMS) revert TooManyTerms(terms, IntegerDot.MAX_TERMS);
    }

    /// @dev Operand `operand` as the zero point of operand `owner`, whose type it has.
    function _zero(KernelInput calldata input, uint256 operand, uint256 owner) private pure returns (int256) {
        return _integer(input, operand, uint8(input.dtypes[owner]));
    }

    function _integer(
        KernelInput calldata input,
        uint256 operand,
        uint8 dtype
    ) private pure returns (int256) {
        KernelChecks.requireOperand(input, operand, dtype);
        uint256 size = Dtype.sizeOf(dtype);
        uint256 length = input.operands[operand].length;
        if (length != size) revert OperandLength(operand, size, length);
        return Dtype.toInteger(dtype, Dtype.at(input.operands[operand], 0, size));
    }

    function _float32(KernelInput calldata input, uint256 operand) private pure returns (uint32) {
        KernelChecks.requireOperand(input, operand, Dtype.FLOAT32);
        uint256 length = input.operands[operand].length;
        if (length != 4) revert OperandLength(operand, 4, length);
        return Float32.at(input.operands[operand], 0);
    }
}
