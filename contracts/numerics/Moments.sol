// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {HintChanged, TooManyTerms, WrongHint} from "../kernels/KernelErrors.sol";
import {Lanes} from "./Lanes.sol";

/// @title Sums of a row's elements, magnitudes and squares, all exact but for a truncation of the elements
/// @notice An element is counted in units of 2^(exponent-190), where `exponent` is the largest biased exponent: as an
///         integer below 2^64, its magnitude truncated. A row may be folded in any number of runs. Proofs:
///         docs/numerics/normalization.md. Twin: packages/numerics/src/moments.ts.
library Moments {
    /// @dev State of a fold. Once an element is not finite the sums are 0.
    struct Sums {
        uint256 largest; // biased exponent of the elements met; 255 when one is not finite
        uint256 terms; // elements met
        uint256 exponent; // the unit's: at least 1, at most 254, and at least every element's
        uint256 negative; // Σ |x| of the negative elements
        uint256 magnitude; // Σ |x|
        uint256 square; // Σ x²
    }

    uint256 private constant LANES = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant FRACTION = 0x007fffff007fffff007fffff007fffff007fffff007fffff007fffff007fffff;
    uint256 private constant EXPONENT = 0x7f8000007f8000007f8000007f8000007f8000007f8000007f8000007f800000;
    uint256 private constant EXPONENTS = 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff;
    /// @dev A mantissa and 40 bits behind it.
    uint256 private constant WIDENED = 0xffffff0000000000;
    uint256 private constant HIDDEN = 0x0080000000800000008000000080000000800000008000000080000000800000;

    /// @dev Most elements of all segments together.
    uint256 private constant MAX_TERMS = 1 << 22;

    /// @notice What a whole row comes to.
    function whole(bytes calldata row) internal pure returns (Sums memory sums) {
        sums.largest = largestExponent(row);
        sums.exponent = sums.largest == 0 ? 1 : sums.largest;
        sums.terms = row.length >> 2;
        if (sums.largest != 255) _fold(sums, row);
    }

    /// @notice What a row comes to, one segment later; `concluded` then checks the hint.
    /// @param hint the largest biased exponent of the row's finite elements, at least 1
    /// @param state abi.encode of the sums so far; empty: there are none
    function folded(
        bytes calldata row,
        uint256 hint,
        bytes calldata state
    ) internal pure returns (bytes memory) {
        Sums memory sums;
        if (state.length != 0) sums = abi.decode(state, (Sums));
        else sums.exponent = hint;
        if (sums.exponent != hint) revert HintChanged(hint, sums.exponent);
        sums.terms += row.length >> 2;
        if (sums.terms > MAX_TERMS) revert TooManyTerms(sums.terms, MAX_TERMS);
        uint256 largest = largestExponent(row);
        if (largest > sums.largest) sums.largest = largest;
        if (sums.largest == 255) {
            (sums.negative, sums.magnitude, sums.square) = (0, 0, 0);
        } else {
            if (largest > hint || hint == 0 || hint > 254) revert WrongHint(hint, largest);
            _fold(sums, row);
        }
        return abi.encode(sums);
    }

    /// @notice The sums of all segments, which are the whole row's.
    function concluded(bytes calldata state) internal pure returns (Sums memory sums) {
        sums = abi.decode(state, (Sums));
        uint256 exact = sums.largest == 0 ? 1 : sums.largest;
        if (exact != 255 && exact != sums.exponent) revert WrongHint(sums.exponent, exact);
    }

    /// @notice Largest biased exponent: 0 when all elements are subnormal or zero, 255 when one is not finite.
    function largestExponent(bytes calldata row) internal pure returns (uint256 largest) {
        uint256 pointer = Lanes.start(row);
        uint256 end = pointer + row.length;
        uint256 best = 0; // four exponents, each in the lowest byte of the upper half of a 64-bit lane
        for (; pointer < end; pointer += 32) {
            uint256 word = Lanes.load(pointer, end, 0);
            assembly ("memory-safe") {
                // lane by lane: bit 40 of 2^40 + best - key stays where best >= key; its multiple selects best
                let half := 0x000000ff00000000000000ff00000000000000ff00000000000000ff00000000
                let guard := 0x0000010000000000000001000000000000000100000000000000010000000000
                word := shr(23, word)
                let keys := and(word, half)
                let keep := and(sub(or(best, guard), keys), guard)
                keep := sub(keep, shr(8, keep))
                best := xor(keys, and(xor(best, keys), keep))
                keys := and(shl(32, word), half)
                keep := and(sub(or(best, guard), keys), guard)
                keep := sub(keep, shr(8, keep))
                best := xor(keys, and(xor(best, keys), keep))
            }
        }
        for (; best != 0; best >>= 64) {
            uint256 exponent = (best >> 32) & 0xff;
            if (exponent > largest) largest = exponent;
        }
    }

    /// @dev Adds a run of elements to the sums.
    function _fold(Sums memory sums, bytes calldata row) private pure {
        uint256 pointer = Lanes.start(row);
        uint256 end = pointer + row.length;
        (uint256 sum, uint256 square) = (0, 0); // sum: lower half of the positive, upper half of the negative elements
        uint256 exponents = sums.exponent * LANES;
        for (; pointer < end; pointer += 32) {
            uint256 word = Lanes.load(pointer, end, 0);
            assembly ("memory-safe") {
                let m := and(shr(8, add(and(word, EXPONENT), EXPONENT)), HIDDEN)
                // distance to the largest exponent, counting a subnormal's as 1
                let distances := sub(exponents, add(and(shr(23, word), EXPONENTS), sub(LANES, shr(23, m))))
                let halves := shl(7, and(shr(31, word), LANES))
                m := or(and(word, FRACTION), m)
                {
                    let x := shr(byte(3, distances), and(shr(184, m), WIDENED))
                    sum := add(sum, shl(byte(3, halves), x))
                    square := add(square, mul(x, x))
                }
                {
                    let x := shr(byte(7, distances), and(shr(152, m), WIDENED))
                    sum := add(sum, shl(byte(7, halves), x))
                    square := add(square, mul(x, x))
                }
                {
                    let x := shr(byte(11, distances), and(shr(120, m), WIDENED))
                    sum := add(sum, shl(byte(11, halves), x))
                    square := add(square, mul(x, x))
                }
                {
                    let x := shr(byte(15, distances), and(shr(88, m), WIDENED))
                    sum := add(sum, shl(byte(15, halves), x))
                    square := add(square, mul(x, x))
                }
                {
                    let x := shr(byte(19, distances), and(shr(56, m), WIDENED))
                    sum := add(sum, shl(byte(19, halves), x))
                    square := add(square, mul(x, x))
                }
                {
                    let x := shr(byte(23, distances), and(shr(24, m), WIDENED))
                    sum := add(sum, shl(byte(23, halves), x))
                    square := add(square, mul(x, x))
                }
                {
                    let x := shr(byte(27, distances), and(shl(8, m), WIDENED))
                    sum := add(sum, shl(byte(27, halves), x))
                    square := add(square, mul(x, x))
                }
                {
                    let x := shr(byte(31, distances), and(shl(40, m), WIDENED))
                    sum := add(sum, shl(byte(31, halves), x))
                    square := add(square, mul(x, x))
                }
            }
        }
        uint256 negative = sum >> 128;
        sums.negative += negative;
        sums.magnitude += negative + (sum & type(uint128).max);
        sums.square += square;
    }
}
