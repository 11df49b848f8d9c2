// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {HintChanged, TooManyTerms, WrongHint} from "../kernels/KernelErrors.sol";
import {Float32} from "./Float32.sol";
import {Lanes} from "./Lanes.sol";
import {ScalarMath} from "./ScalarMath.sol";
// Assembly uses LOG2_E, which solhint does not see.
// solhint-disable-next-line no-unused-import
import {LOG2_E, ScalarPolynomials} from "./ScalarPolynomials.sol";

/// @title The largest element of a row and the sum of the elements' exponentials
/// @notice Two folds: {largest} first, then {sum}, which needs only the integer part of its result. Both combine over
///         runs of a row: the larger key, the sum of the sums. A proof in segments says in advance which the largest is.
///         Proofs: docs/numerics/normalization.md. Twin: packages/numerics/src/exponential-sum.ts.
library ExponentialSum {
    /// @dev What a row, or the segments of one so far, come to.
    struct Run {
        uint256 terms; // elements met
        int256 top; // order of the largest element met; 0 once there is a NaN
        bool nan; // some element is NaN
        int256 bound; // order of the whole row's largest element
        uint256 total; // Σ e^x_i in units of 2^(⌊bound·log2(e)⌋ - 180); 0 where a NaN or an infinite bound decides
    }

    /// @dev Most elements of all segments together.
    uint256 private constant MAX_TERMS = 1 << 22;
    uint256 private constant MISSING = 0xff800000ff800000ff800000ff800000ff800000ff800000ff800000ff800000; // -Inf

    /// @notice Orders all float32 but NaN as signed integers, -0 just below +0, and back.
    function order(uint32 bits) internal pure returns (int256) {
        return int256(int32(bits)) ^ (bits & Float32.SIGN != 0 ? int256(0x7fffffff) : int256(0));
    }

    function bitsOf(int256 key) internal pure returns (uint32) {
        return uint32(uint256(key ^ (key < 0 ? int256(0x7fffffff) : int256(0))));
    }

    /// @notice What a whole row comes to.
    function whole(bytes calldata row) internal pure returns (Run memory run) {
        (run.top, run.nan) = largest(row);
        run.bound = run.top;
        run.terms = row.length >> 2;
        _add(run, row);
    }

    /// @notice What a row comes to, one segment later; `concluded` then checks the hint.
    /// @param hint bits of the row's largest element, NaN left out
    /// @param state abi.encode of the run so far; empty: there is none
    function folded(
        bytes calldata row,
        uint256 hint,
        bytes calldata state
    ) internal pure returns (bytes memory) {
        if (hint > type(uint32).max) revert WrongHint(hint, type(uint32).max);
        Run memory run;
        (int256 top, bool nan) = largest(row);
        int256 bound = order(uint32(hint));
        if (state.length != 0) {
            run = abi.decode(state, (Run));
            if (run.bound != bound) revert HintChanged(hint, bitsOf(run.bound));
            if (run.top > top) top = run.top;
            nan = nan || run.nan;
        }
        (run.bound, run.nan) = (bound, nan);
        run.top = nan ? int256(0) : top;
        run.terms += row.length >> 2;
        if (run.terms > MAX_TERMS) revert TooManyTerms(run.terms, MAX_TERMS);
        if (!nan && top > bound) revert WrongHint(hint, bitsOf(top));
        _add(run, row);
        return abi.encode(run);
    }

    /// @notice The run of all segments, which is the whole row's.
    function concluded(bytes calldata state) internal pure returns (Run memory run) {
        run = abi.decode(state, (Run));
        if (!run.nan && run.top != run.bound) revert WrongHint(bitsOf(run.bound), bitsOf(run.top));
    }

    /// @notice {order} of the largest element, and whether there is any NaN.
    function largest(bytes calldata row) internal pure returns (int256 top, bool nan) {
        uint256 pointer = Lanes.start(row);
        uint256 end = pointer + row.length;
        uint256 nans = 0;
        uint256 best = 0; // four keys, one in the lower half of each 64-bit lane
        for (; pointer < end; pointer += 32) {
            uint256 word = Lanes.load(pointer, end, MISSING);
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
        top = int256(key) - (1 << 31);
    }

    /// @notice Σ e^x_i in units of 2^(nmax - 180), each term floored. A term is 2^t with t = ScalarMath.log2eTimes(x_i)
    ///         and nmax is at least each ⌊t⌋. The row holds neither NaN nor +Inf.
    /// @dev One call site of the polynomial keeps it inline.
    function sum(bytes calldata row, int256 nmax) internal pure returns (uint256 total) {
        uint256 pointer = Lanes.start(row);
        uint256 end = pointer + row.length;
        unchecked {
            while (pointer < end) {
                uint256 word = Lanes.load(pointer, end, MISSING);
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
                    total += r >> uint256(nmax - (t >> 60)); // 0 where far below the largest
                }
            }
        }
    }

    /// @notice log2(n) in units of 2^-60, floored, or one less; n is not 0.
    /// @dev Bit by bit: squaring doubles the logarithm. The truncations of the squares, below 2^-127 of them, add up
    ///      to less than 2^-125 in the result.
    function log2(uint256 n) internal pure returns (uint256 result) {
        unchecked {
            uint256 top = Math.log2(n);
            n = top > 127 ? n >> (top - 127) : n << (127 - top);
            result = top;
            for (uint256 i = 0; i < 60; ++i) {
                n = (n * n) >> 127;
                uint256 bit = n >> 128;
                n >>= bit;
                result = (result << 1) | bit;
            }
        }
    }

    /// @dev Adds the exponentials of a run of elements.
    function _add(Run memory run, bytes calldata row) private pure {
        uint32 bound = bitsOf(run.bound);
        if (run.nan) run.total = 0;
        else if (Float32.isFinite(bound)) run.total += sum(row, ScalarMath.log2eTimes(bound) >> 60);
    }
}
