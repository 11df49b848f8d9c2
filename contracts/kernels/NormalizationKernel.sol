// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Float32} from "../numerics/Float32.sol";
import {ScalarMath} from "../numerics/ScalarMath.sol";
// Assembly uses LOG2_E, which solhint does not see.
// solhint-disable-next-line no-unused-import
import {LOG2_E, ScalarPolynomials} from "../numerics/ScalarPolynomials.sol";
import {Dtype} from "../program/Dtype.sol";
import {IKernel, Judgement, KernelInput, Verdict} from "./IKernel.sol";
import {KernelChecks} from "./KernelChecks.sol";
import {OperandCount, OperandLength, ParamsLength, UnknownOp} from "./KernelErrors.sol";

/// @notice The second operand is larger than every element of the row it should be part of.
error ElementNotInRow(uint32 bits);
/// @notice The row has more elements than the error bound is stated for.
error RowTooLong(uint256 length);

/// @title Normalization: softmax of a row
/// @notice y = e^(x_j - m) / Σ e^(x_i - m), m the largest element. Operands: the row, and the element x_j.
/// @dev Op Softmax 0. Rules and proof: docs/numerics/normalization.md. Twin: packages/numerics/src/normalization.ts.
contract NormalizationKernel is IKernel {
    uint8 private constant SOFTMAX = 0;

    /// @dev Everything is counted in units of 2^-149, in which every float32 is an integer.
    int256 private constant SCALE = -149;
    uint256 private constant MAX_LENGTH = 1 << 20;
    /// @dev 1 + 2^-10: no way of computing a softmax exceeds it, whatever NaN or infinities are in the row.
    uint32 private constant JUST_ABOVE_ONE = 0x3f802000;
    /// @dev Constant part of the error bound, in units of u = 2^-24; docs/numerics/normalization.md counts them.
    uint256 private constant ROUNDINGS = 13;

    /// @inheritdoc IKernel
    function judge(KernelInput calldata input) external pure returns (Judgement memory judgement) {
        if (input.op != SOFTMAX) revert UnknownOp(input.op);
        KernelChecks.requireAll(input, Dtype.FLOAT32);
        if (input.operands.length != 2) revert OperandCount(2, input.operands.length);
        bytes calldata row = input.operands[0];
        if (row.length == 0 || row.length & 3 != 0)
            revert OperandLength(0, (row.length & ~uint256(3)) + 4, row.length);
        if (row.length >> 2 > MAX_LENGTH) revert RowTooLong(row.length >> 2);
        if (input.operands[1].length != 4) revert OperandLength(1, 4, input.operands[1].length);
        if (input.params.length != 32) revert ParamsLength(32, input.params.length);
        uint32 x = Float32.at(input.operands[1], 0);

        (int256 largest, bool nan) = _largest(row);
        if (nan || largest == _order(Float32.INFINITY) || largest == _order(Float32.NEGATIVE_INFINITY)) {
            judgement.verdict = _undefined(uint32(input.claimed)) ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        if (Float32.isNaN(x) || _order(x) > largest) revert ElementNotInRow(x);
        if (!Float32.isFinite(uint32(input.claimed))) {
            judgement.verdict = Verdict.Fraudulent;
            return judgement;
        }
        return _judge(input, ScalarMath.log2eTimes(_bits(largest)), ScalarMath.log2eTimes(x));
    }

    /// @param top largest element·log2(e), in units of 2^-60
    /// @param t x_j·log2(e)
    function _judge(
        KernelInput calldata input,
        int256 top,
        int256 t
    ) private pure returns (Judgement memory judgement) {
        unchecked {
            // e^x_j = r·2^((t >> 60) - 100) with r < 2^102 (2^105 for a masked element, whose shift is huge); the sum
            // is at least about 2^100, the largest element's own term
            uint256 r = _sum(input.operands[1], t >> 60) >> 80;
            uint256 sum = _sum(input.operands[0], top >> 60) >> 80;
            uint256 exact = ((r << 149) / sum) >> uint256((top >> 60) - (t >> 60));
            uint256 lambda = abi.decode(input.params, (uint32));
            uint256 length = input.operands[0].length >> 2;
            (uint256 provable, uint256 integrity) = _bands(exact, uint256(top - t), length, lambda);

            (bool negative, uint256 mantissa, int256 exponent) = Float32.decode(uint32(input.claimed));
            int256 difference = int256(
                mantissa << uint256(exponent - SCALE > 200 ? int256(200) : exponent - SCALE)
            );
            difference = (negative ? -difference : difference) - int256(exact);
            uint256 off = uint256(difference < 0 ? -difference : difference);
            judgement.verdict =
                off <= integrity
                    ? Verdict.Acceptable
                    : off <= provable
                        ? Verdict.Imprecise
                        : Verdict.Fraudulent;
            judgement.exact = int256(exact);
            judgement.provable = provable;
            judgement.integrity = integrity;
            judgement.scale = SCALE;
        }
    }

    /// @dev Half-widths of the bands: exact·t/(1 - t) + 2^-124, t = (|x_j - m| + ln K + K + 13)·u, in the integrity
    ///      band with λ·√K (at most K) for K. Counted in u/256 = 2^-32, everything rounded up.
    function _bands(
        uint256 exact,
        uint256 depth,
        uint256 length,
        uint256 lambda
    ) private pure returns (uint256 provable, uint256 integrity) {
        unchecked {
            // depth = |x_j - m|·log2(e) in units of 2^-60; 178/256 > ln 2. Deeper than 185 (e^-128), the absolute
            // part is all that matters
            if (depth > 185 << 60) depth = 185 << 60;
            uint256 constantPart =
                ((((depth >> 52) + 2) * 178) >> 8) + 1 + Math.log2(length, Math.Rounding.Ceil) * 178;
            constantPart += ROUNDINGS << 8;
            uint256 terms = length << 8;
            uint256 calibrated = ((lambda * Math.sqrt(length << 16, Math.Rounding.Ceil)) >> 8) + 1;
            provable = _band(exact, constantPart + terms);
            integrity = calibrated < terms ? _band(exact, constantPart + calibrated) : provable;
        }
    }

    /// @dev t < 2^29 + 2^16 because of MAX_LENGTH.
    function _band(uint256 exact, uint256 t) private pure returns (uint256) {
        unchecked {
            return (exact * t) / ((1 << 32) - t) + (1 << 25) + 4;
        }
    }

    /// @dev Where the true result is no number, hardware returns NaN, or what is left when its maximum instruction or
    ///      a clamped argument loses it: some number between 0 and 1.
    function _undefined(uint32 claimed) private pure returns (bool) {
        return Float32.isNaN(claimed) || claimed <= JUST_ABOVE_ONE || claimed == Float32.SIGN;
    }

    /// @dev Orders all float32 but NaN as signed integers, and back.
    function _order(uint32 bits) private pure returns (int256) {
        return int256(int32(bits)) ^ (bits & Float32.SIGN != 0 ? int256(0x7fffffff) : int256(0));
    }

    function _bits(int256 order) private pure returns (uint32) {
        return uint32(uint256(order ^ (order < 0 ? int256(0x7fffffff) : int256(0))));
    }

    /// @dev _order of the largest element, and whether there is any NaN.
    function _largest(bytes calldata row) private pure returns (int256 largest, bool nan) {
        uint256 pointer = _start(row);
        uint256 end = pointer + row.length;
        uint256 nans = 0;
        uint256 best = 0; // four keys, one in the lower half of each 64-bit lane
        for (; pointer < end; pointer += 32) {
            uint256 word = _lanes(pointer, end);
            assembly ("memory-safe") {
                // a magnitude above infinity's carries into its lane's sign bit
                nans := or(
                    nans,
                    add(
                        and(word, 0x7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff),
                        0x007fffff007fffff007fffff007fffff007fffff007fffff007fffff007fffff
                    )
                )
                // unsigned keys in the elements' order: flip the sign bit, and of negative elements all bits
                let signs := and(
                    shr(31, word),
                    0x0000000100000001000000010000000100000001000000010000000100000001
                )
                word := xor(
                    word,
                    add(
                        0x8000000080000000800000008000000080000000800000008000000080000000,
                        sub(shl(31, signs), signs)
                    )
                )
                // lane by lane: bit 32 of 2^32 + best - key stays where best >= key; its multiple selects best
                let half := 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff
                let guard := 0x0000000100000000000000010000000000000001000000000000000100000000
                let keys := and(word, half)
                let keep := and(sub(add(best, guard), keys), guard)
                keep := sub(keep, shr(32, keep))
                best := xor(keys, and(xor(best, keys), keep))
                keys := and(shr(32, word), half)
                keep := and(sub(add(best, guard), keys), guard)
                keep := sub(keep, shr(32, keep))
                best := xor(keys, and(xor(best, keys), keep))
            }
        }
        nan = nans & 0x8000000080000000800000008000000080000000800000008000000080000000 != 0;
        uint256 key = 0;
        for (; best != 0; best >>= 64) key = Math.max(key, best & 0xffffffff);
        largest = int256(key) - (1 << 31);
    }

    /// @dev Σ e^x_i in units of 2^(nmax - 180), each term floored; nmax is the largest of the terms' exponents n. A
    ///      term is 2^t with t = ScalarMath.log2eTimes(x_i). (One call site of the polynomial keeps it inline.)
    function _sum(bytes calldata row, int256 nmax) private pure returns (uint256 sum) {
        uint256 pointer = _start(row);
        uint256 end = pointer + row.length;
        unchecked {
            while (pointer < end) {
                uint256 word = _lanes(pointer, end);
                pointer += 32;
                uint256 mantissas;
                assembly ("memory-safe") {
                    // 24-bit mantissas with the elements' signs, in two's complement
                    let signs := and(
                        shr(31, word),
                        0x0000000100000001000000010000000100000001000000010000000100000001
                    )
                    mantissas := and(word, 0x007fffff007fffff007fffff007fffff007fffff007fffff007fffff007fffff)
                    mantissas := or(
                        mantissas,
                        0x0080000000800000008000000080000000800000008000000080000000800000
                    )
                    mantissas := add(xor(mantissas, sub(shl(32, signs), signs)), signs)
                    word := shl(1, word) // exponents are whole bytes now
                }
                for (uint256 lane = 0; lane < 32; lane += 4) {
                    int256 t;
                    assembly ("memory-safe") {
                        t := sar(sub(319, byte(lane, word)), mul(sar(224, mantissas), LOG2_E))
                        mantissas := shl(32, mantissas)
                    }
                    uint256 r = uint256(ScalarPolynomials.exp2FractionShort(t & int256((1 << 60) - 1)));
                    sum += r >> uint256(nmax - (t >> 60)); // 0 where far below the largest
                }
            }
        }
    }

    function _start(bytes calldata row) private pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := row.offset
        }
    }

    /// @dev Eight elements, big-endian; lanes past the end of the row are -Inf.
    function _lanes(uint256 pointer, uint256 end) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(pointer)
            word := or(
                and(shr(8, word), 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff),
                shl(8, and(word, 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff))
            )
            word := or(
                and(shr(16, word), 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff),
                shl(16, and(word, 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff))
            )
            if gt(add(pointer, 32), end) {
                let missing := shr(shl(3, sub(end, pointer)), not(0))
                word := or(
                    and(word, not(missing)),
                    and(missing, 0xff800000ff800000ff800000ff800000ff800000ff800000ff800000ff800000)
                )
            }
        }
    }
}
