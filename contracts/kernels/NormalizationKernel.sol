// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ExponentialSum} from "../numerics/ExponentialSum.sol";
import {Float32} from "../numerics/Float32.sol";
import {Moments} from "../numerics/Moments.sol";
import {ScalarMath} from "../numerics/ScalarMath.sol";
import {SoftmaxFamily} from "../numerics/SoftmaxFamily.sol";
import {Standardisation} from "../numerics/Standardisation.sol";
import {Wide, WideMath} from "../numerics/Wide.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, IStreamingKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp} from "./KernelErrors.sol";

/// @notice The element is larger than every element of the row it should be part of.
error ElementNotInRow(uint32 bits);
/// @notice The row has more elements than the error bound is stated for.
error RowTooLong(uint256 length);
/// @notice epsilon is negative or not finite.
error BadEpsilon(uint32 bits);

/// @title Normalization: an element in relation to the row that it is part of
/// @notice float32. `row` is the whole row, x one element of it; params are abi.encode(uint32 lambda) for the first
///         three operations, abi.encode(uint32 epsilon, uint32 lambda) for the others.
///
///         | op                 | operands                         | result                                           |
///         | ------------------ | -------------------------------- | ------------------------------------------------ |
///         | Softmax 0          | row, x                           | e^x / Σ e^row                                    |
///         | LogSoftmax 1       | row, x                           | x - ln Σ e^row                                   |
///         | LogSumExp 2        | row                              | ln Σ e^row                                       |
///         | Standardise 3      | row, x, [scale, [bias]]          | (x - mean)/√(variance + epsilon)·scale + bias    |
///         | RootMeanSquare 4   | row, x, [scale, [bias]]          | x/√(mean of squares + epsilon)·scale + bias      |
///         | InverseDeviation 5 | row                              | 1/√(variance + epsilon)                          |
///         | BatchNorm 6        | x, scale, bias, mean, variance   | (x - mean)/√(variance + epsilon)·scale + bias    |
///         | UnitL1 7           | row, x                           | x/Σ|row|                                         |
///         | UnitL2 8           | row, x                           | x/√Σ row²                                        |
///         All but BatchNorm stream. The hint then says what a first pass over the row would find: bits of the largest
///         element for the first three, the largest biased exponent (at least 1) for the others.
/// @dev Rules and proofs: docs/numerics/normalization.md. Twin: packages/numerics/src/normalization.ts.
contract NormalizationKernel is IStreamingKernel {
    uint8 private constant SOFTMAX = 0;
    uint8 private constant LOG_SOFTMAX = 1;
    uint8 private constant LOG_SUM_EXP = 2;
    uint8 private constant STANDARDISE = 3;
    uint8 private constant ROOT_MEAN_SQUARE = 4;
    uint8 private constant INVERSE_DEVIATION = 5;
    uint8 private constant BATCH_NORM = 6;
    uint8 private constant UNIT_L1 = 7;
    uint8 private constant UNIT_L2 = 8;

    uint256 private constant MAX_LENGTH = 1 << 20;
    /// @dev Roundings of the computed W besides the K of a sum's; docs/numerics/normalization.md counts them.
    uint256 private constant ROW_ROUNDINGS = 6;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        if (input.op > UNIT_L2) revert UnknownOp(input.op);
        KernelChecks.requireAll(input, Dtype.FLOAT32);
        if (input.op == BATCH_NORM) return _batchNorm(input);
        _checkOperands(input);
        if (input.op <= LOG_SUM_EXP) return _judgeExponential(input, ExponentialSum.whole(input.operands[0]));
        return _judgeMoments(input, Moments.whole(input.operands[0]));
    }

    /// @inheritdoc IStreamingKernel
    function fold(KernelInput calldata part, bytes calldata state) external pure returns (bytes memory) {
        _checkPart(part);
        uint256 hint = KernelChecks.hintOf(part);
        if (part.op <= LOG_SUM_EXP) return ExponentialSum.folded(part.operands[0], hint, state);
        return Moments.folded(part.operands[0], hint, state);
    }

    /// @inheritdoc IStreamingKernel
    function conclude(
        KernelInput calldata part,
        bytes calldata state
    ) external pure returns (Judgement memory) {
        _checkPart(part);
        if (part.op <= LOG_SUM_EXP) return _judgeExponential(part, ExponentialSum.concluded(state));
        return _judgeMoments(part, Moments.concluded(state));
    }

    function _checkPart(KernelInput calldata part) private pure {
        if (part.op > UNIT_L2 || part.op == BATCH_NORM) revert UnknownOp(part.op);
        KernelChecks.requireAll(part, Dtype.FLOAT32);
        _checkOperands(part);
    }

    /// @dev A row, and single elements behind it.
    function _checkOperands(KernelInput calldata input) private pure {
        uint256 fewest = input.op == LOG_SUM_EXP || input.op == INVERSE_DEVIATION ? 1 : 2;
        uint256 most = input.op == STANDARDISE || input.op == ROOT_MEAN_SQUARE ? 4 : fewest;
        uint256 count = input.operands.length;
        if (count < fewest) revert OperandCount(fewest, count);
        if (count > most) revert OperandCount(most, count);
        uint256 length = input.operands[0].length;
        if (length == 0 || length & 3 != 0) revert OperandLength(0, (length & ~uint256(3)) + 4, length);
        if (length >> 2 > MAX_LENGTH) revert RowTooLong(length >> 2);
        for (uint256 i = 1; i < count; ++i)
            if (input.operands[i].length != 4) revert OperandLength(i, 4, input.operands[i].length);
    }

    function _judgeExponential(
        KernelInput calldata input,
        ExponentialSum.Run memory run
    ) private pure returns (Judgement memory judgement) {
        if (input.params.length != 32) revert ParamsLength(32, input.params.length);
        uint32 claimed = uint32(input.claimed);
        SoftmaxFamily.Row memory row;
        row.lambda = abi.decode(input.params, (uint32));
        row.length = run.terms;
        row.largest = ExponentialSum.bitsOf(run.top);
        row.sum = run.total;
        if (run.nan || !Float32.isFinite(row.largest)) {
            bool equal = !run.nan && row.largest == Float32.NEGATIVE_INFINITY;
            if (input.op == SOFTMAX)
                judgement.verdict = SoftmaxFamily.softmaxWithout(row.length, equal, claimed);
            else if (input.op == LOG_SOFTMAX)
                judgement.verdict = SoftmaxFamily.logSoftmaxWithout(row.length, equal, claimed);
            else judgement.verdict = SoftmaxFamily.sumWithout(run.nan, row.largest, claimed);
            return judgement;
        }
        if (input.op == LOG_SUM_EXP) return SoftmaxFamily.logSumExp(row, claimed);

        uint32 x = Float32.at(input.operands[1], 0);
        if (Float32.isNaN(x) || ExponentialSum.order(x) > run.top) revert ElementNotInRow(x);
        if (input.op == LOG_SOFTMAX) return SoftmaxFamily.logSoftmax(row, x, claimed);
        uint256 own = ExponentialSum.sum(input.operands[1], ScalarMath.log2eTimes(x) >> 60);
        return SoftmaxFamily.softmax(row, x, own, claimed);
    }

    function _judgeMoments(
        KernelInput calldata input,
        Moments.Sums memory sums
    ) private pure returns (Judgement memory judgement) {
        Standardisation.Call memory call;
        uint32 epsilon = _params(input, call);
        call.terms = sums.terms;
        call.scale = input.operands.length > 2 ? Float32.at(input.operands[2], 0) : Float32.ONE;
        call.bias = input.operands.length > 3 ? Float32.at(input.operands[3], 0) : 0;
        uint32 x = input.operands.length > 1 ? Float32.at(input.operands[1], 0) : 0;

        if (_ruled(call, sums.largest == 255, uint32(input.claimed), judgement)) return judgement;
        if ((x >> 23) & 0xff > sums.largest) revert ElementNotInRow(x);
        if (_fill(call, sums, input.op, epsilon, x)) {
            // nothing but zeros, and nothing added to them: 0/0, which some engines guard against
            bool accepted = Float32.isNaN(uint32(input.claimed)) || Float32.isZero(uint32(input.claimed));
            judgement.verdict = accepted ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        if (input.op == INVERSE_DEVIATION)
            return Standardisation.inverseDeviation(call, uint32(input.claimed));
        return Standardisation.affine(call, uint32(input.claimed));
    }

    /// @dev What {Standardisation} asks for, from a row's sums, in units of w = 2^(exponent-190).
    /// @return zeros whether the result is 0/0
    function _fill(
        Standardisation.Call memory call,
        Moments.Sums memory sums,
        uint8 op,
        uint32 epsilon,
        uint32 x
    ) private pure returns (bool zeros) {
        unchecked {
            int256 unit = int256(sums.exponent) - 190;
            Wide count = WideMath.from(call.terms, 0);
            uint256 headroom = 126 - Math.log2(call.terms, Math.Rounding.Ceil);
            call.roundings = ROW_ROUNDINGS;
            call.loss = WideMath.from(1, -123);
            call.reach = WideMath.fromFloat(x);
            call.centre = call.reach;
            call.negative = x & Float32.SIGN != 0;
            call.sumsOverflow = 2 * (int256(sums.exponent) - 125) >= int256(headroom);
            if (op == UNIT_L1) {
                // W = (Σ|x|)², whose relative error is twice the sum's
                Wide norm = WideMath.from(sums.magnitude, unit);
                call.variance = norm * norm;
                call.loss = call.loss * count * norm;
                call.roundings += call.terms + 2;
                call.sumsOverflow = int256(sums.exponent) - 126 >= int256(headroom);
            } else if (op == UNIT_L2) {
                call.variance = WideMath.from(sums.square, 2 * unit);
                call.loss = call.loss * count;
            } else if (op == ROOT_MEAN_SQUARE) {
                call.variance = WideMath.from(sums.square, 2 * unit) / count;
            } else {
                int256 sum = int256(sums.magnitude) - 2 * int256(sums.negative);
                call.variance =
                    WideMath.from(call.terms * sums.square - uint256(sum * sum), 2 * unit) / (count * count);
                call.spread = WideMath.from(sums.magnitude, unit) / count;
                call.reach = call.reach + call.spread;
                call.unit = WideMath.from(1, unit);
                uint256 mantissa = x & 0x7fffff;
                uint256 exponent = (x >> 23) & 0xff;
                if (exponent == 0) exponent = 1;
                else mantissa |= 0x800000;
                int256 centre = int256(call.terms * ((mantissa << 40) >> (sums.exponent - exponent)));
                centre = (call.negative ? -centre : centre) - sum;
                call.negative = centre < 0;
                call.centre = WideMath.from(uint256(centre < 0 ? -centre : centre), unit) / count;
            }
            if (op <= INVERSE_DEVIATION) {
                // elements that are all equal leave a running mean right
                bool running = op != ROOT_MEAN_SQUARE && Wide.unwrap(call.variance) != 0;
                if (running) call.largest = WideMath.from(1, int256(sums.exponent) - 126);
                call.epsilon = WideMath.fromFloat(epsilon);
                call.variance = call.variance + call.epsilon;
            }
            return op >= UNIT_L1 && sums.magnitude == 0;
        }
    }

    function _batchNorm(KernelInput calldata input) private pure returns (Judgement memory judgement) {
        if (input.operands.length != 5) revert OperandCount(5, input.operands.length);
        uint32[5] memory bits; // x, scale, bias, mean, variance
        for (uint256 i = 0; i < 5; ++i) {
            if (input.operands[i].length != 4) revert OperandLength(i, 4, input.operands[i].length);
            bits[i] = Float32.at(input.operands[i], 0);
        }
        Standardisation.Call memory call;
        uint32 epsilon = _params(input, call);
        (call.scale, call.bias, call.terms) = (bits[1], bits[2], 1);
        uint32 claimed = uint32(input.claimed);
        bool finite = Float32.isFinite(bits[0]) && Float32.isFinite(bits[3]) && Float32.isFinite(bits[4]);
        if (_ruled(call, !finite, claimed, judgement)) return judgement;

        Wide x = WideMath.fromFloat(bits[0]);
        Wide mean = WideMath.fromFloat(bits[3]);
        call.reach = x + mean;
        bool opposite = (bits[0] ^ bits[3]) & Float32.SIGN != 0;
        call.negative = (bits[0] & Float32.SIGN != 0) == (opposite || !(x < mean));
        call.centre =
            opposite
                ? call.reach
                : x < mean
                    ? WideMath.minus(mean, x)
                    : WideMath.minus(x, mean);
        Wide variance = WideMath.fromFloat(bits[4]);
        Wide added = WideMath.fromFloat(epsilon);
        if (bits[4] & Float32.SIGN == 0) {
            call.variance = variance + added;
        } else if (variance < added) {
            call.variance = WideMath.minus(added, variance);
        } else if (added < variance && !Float32.isTiny(bits[4])) {
            // the root of a negative number
            judgement.verdict = Float32.isNaN(claimed) ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        call.loss = WideMath.from(1, -123);
        call.sumsOverflow = !(variance + added < WideMath.from(1, 126));
        return Standardisation.affine(call, claimed);
    }

    function _params(
        KernelInput calldata input,
        Standardisation.Call memory call
    ) private pure returns (uint32 epsilon) {
        if (input.params.length != 64) revert ParamsLength(64, input.params.length);
        uint32 lambda;
        (epsilon, lambda) = abi.decode(input.params, (uint32, uint32));
        if (epsilon >= Float32.INFINITY) revert BadEpsilon(epsilon);
        call.lambda = lambda;
    }

    /// @dev Rules on operands that are not finite. The result is then not finite, or the bias where a row's infinite
    ///      variance divides everything to 0.
    function _ruled(
        Standardisation.Call memory call,
        bool rowNotFinite,
        uint32 claimed,
        Judgement memory judgement
    ) private pure returns (bool) {
        bool affineFinite = Float32.isFinite(call.scale) && Float32.isFinite(call.bias);
        if (affineFinite && !rowNotFinite) return false;
        bool accepted =
            !Float32.isFinite(claimed) ||
                (affineFinite && Float32.order(claimed) == Float32.order(call.bias));
        judgement.verdict = accepted ? Verdict.Acceptable : Verdict.Fraudulent;
        return true;
    }
}
