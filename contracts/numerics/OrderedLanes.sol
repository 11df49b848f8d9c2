// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {UnsupportedDtype} from "../kernels/KernelErrors.sol";
import {Dtype} from "../program/Dtype.sol";

/// @dev How elements of one type lie in a 256-bit word, one lane each. The patterns hold a value in every lane.
struct Lanes {
    uint256 width; // bits of a lane
    bool float;
    bool signed; // integers only
    uint256 mantissa; // fraction bits of a float
    uint256 ones; // 1
    uint256 sign; // the top bit
    uint256 infinity; // bits of +infinity of a float, in one lane only
}

/// @dev What a scan needs in every lane, or in every other one (`even`, `lane`, `above`, `notBelow`).
struct Patterns {
    uint256 reverse; // inverts keys where the smallest is wanted
    uint256 full; // a lane full of ones, in one lane only
    uint256 even; // 1
    uint256 lane; // a lane full of ones
    uint256 above; // carries out of the lane where added to a key above the target
    uint256 notBelow; // the same for keys that are not below it
    uint256 nan; // reaches the top bit where added to the magnitude of a NaN
    uint256 flip; // of integers: what makes a number a key
    uint256 normal; // reaches the top bit where added to a magnitude that is kept
}

/// @dev What a row holds compared with one of its elements.
struct Tally {
    uint256 beating; // elements that are larger, or smaller where the smallest is wanted
    uint256 equal;
    bool nan; // some element is NaN
}

/// @title Comparing many elements of any type with one
/// @dev A key is an unsigned number of a lane's width that orders elements as their values do: both zeros have the same.
///      All lanes of a word are compared at once. Twin: packages/numerics/src/ordering.ts.
library OrderedLanes {
    uint256 private constant BYTES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant PAIRS = 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
    uint256 private constant QUADS = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;

    /// @notice The lanes of an element type; reverts for one that has no order.
    function lanesOf(uint8 dtype) internal pure returns (Lanes memory lanes) {
        lanes.float = Dtype.isFloat(dtype);
        if (!lanes.float && !Dtype.isInteger(dtype) && dtype != Dtype.BOOL) revert UnsupportedDtype(0, dtype);
        lanes.width = 8 * Dtype.sizeOf(dtype);
        lanes.signed = Dtype.isSigned(dtype);
        // 1 in every lane: all bits divided by a lane full of ones
        lanes.ones = type(uint256).max / ((1 << lanes.width) - 1);
        lanes.sign = lanes.ones << (lanes.width - 1);
        if (lanes.float) {
            lanes.mantissa =
                dtype == Dtype.FLOAT32
                    ? 23
                    : dtype == Dtype.FLOAT64
                        ? 52
                        : 10;
            lanes.infinity = (1 << (lanes.width - 1)) - (1 << lanes.mantissa);
        }
    }

    /// @notice The bits of 1.0, or of the integer 1.
    function one(Lanes memory lanes) internal pure returns (uint256) {
        // the biased exponent of 1 is that of infinity halved, rounded down
        return lanes.float ? (lanes.infinity >> (lanes.mantissa + 1)) << lanes.mantissa : 1;
    }

    function isNaN(Lanes memory lanes, uint256 bits) internal pure returns (bool) {
        return lanes.float && _magnitude(lanes, bits) > lanes.infinity;
    }

    /// @notice Zeros and subnormals, which hardware may not tell apart.
    function isTiny(Lanes memory lanes, uint256 bits) internal pure returns (bool) {
        return lanes.float && _magnitude(lanes, bits) >> lanes.mantissa == 0;
    }

    /// @notice Whether nothing is below it but, of a float, minus infinity.
    function isLowest(Lanes memory lanes, uint256 bits) internal pure returns (bool) {
        uint256 k = key(lanes, bits, false);
        uint256 lowest = lanes.float ? key(lanes, (lanes.infinity - 1) | (1 << (lanes.width - 1)), false) : 0;
        return k <= lowest;
    }

    /// @notice The key of one element; `flush` reads subnormals as zeros. Of a NaN it means nothing.
    function key(Lanes memory lanes, uint256 bits, bool flush) internal pure returns (uint256) {
        uint256 top = 1 << (lanes.width - 1);
        if (!lanes.float) return lanes.signed ? bits ^ top : bits;
        uint256 magnitude = _magnitude(lanes, bits);
        if (flush && magnitude >> lanes.mantissa == 0) magnitude = 0;
        return bits & top == 0 ? top + magnitude : top - magnitude;
    }

    /// @notice Compares every element of a row with the one that has key `target`.
    function tally(
        bytes calldata row,
        Lanes memory lanes,
        uint256 target,
        bool smallest,
        bool flush
    ) internal pure returns (Tally memory result) {
        Patterns memory patterns = _patterns(lanes, target, smallest, flush);
        uint256 nan;
        uint256 length = row.length & ~uint256(31);
        (result.beating, result.equal, nan) = _scan(row, length, lanes, patterns, lanes.ones);
        if (length != row.length) {
            // The last word holds fewer elements: the lanes behind them do not count.
            uint256 inside;
            unchecked {
                inside = lanes.ones & ~(type(uint256).max >> (8 * (row.length - length)));
            }
            (uint256 above, uint256 equal, uint256 rest) = _scan(row[length:], 1, lanes, patterns, inside);
            result.beating += above;
            result.equal += equal;
            nan |= rest & (inside << (lanes.width - 1));
        }
        result.nan = lanes.float && nan & lanes.sign != 0;
    }

    /// @notice How many NaN of a row `tally` counts as beating numbers: their keys are beyond those of the infinities.
    function beatingNaNs(
        bytes calldata row,
        Lanes memory lanes,
        bool smallest
    ) internal pure returns (uint256) {
        uint256 infinity = lanes.infinity | (smallest ? 1 << (lanes.width - 1) : 0);
        return tally(row, lanes, key(lanes, infinity, false), smallest, false).beating;
    }

    function _magnitude(Lanes memory lanes, uint256 bits) private pure returns (uint256) {
        return bits & ((1 << (lanes.width - 1)) - 1);
    }

    function _patterns(
        Lanes memory lanes,
        uint256 target,
        bool smallest,
        bool flush
    ) private pure returns (Patterns memory patterns) {
        unchecked {
            uint256 full = (1 << lanes.width) - 1;
            // The smallest is the largest in the reversed order.
            patterns.reverse = smallest ? type(uint256).max : 0;
            if (smallest) target = full - target;
            patterns.full = full;
            patterns.even = type(uint256).max / ((full << lanes.width) | full);
            patterns.lane = patterns.even * full;
            // A carry out of the lane: key + 2^width - 1 - target, and key + 2^width - target.
            patterns.above = patterns.even * (full - target);
            patterns.notBelow = patterns.above + patterns.even;
            if (!lanes.float) {
                patterns.flip = lanes.signed ? lanes.sign : 0;
                return patterns;
            }
            // The top bit of a lane: beyond infinity, and normal.
            patterns.nan = lanes.ones * ((full >> 1) - lanes.infinity);
            patterns.normal = flush ? lanes.sign - (lanes.ones << lanes.mantissa) : lanes.sign;
        }
    }

    /// @dev Elements above the target and equal to it. Of `nan`, the top bit of a lane is set where a NaN was met.
    function _scan(
        bytes calldata row,
        uint256 length,
        Lanes memory lanes,
        Patterns memory patterns,
        uint256 inside
    ) private pure returns (uint256 above, uint256 equal, uint256 nan) {
        assembly ("memory-safe") {
            let pointer := row.offset
            let end := add(pointer, length)
            for {} lt(pointer, end) {
                pointer := add(pointer, 32)
            } {
                let x := calldataload(pointer)
                // little-endian lanes to numbers
                if gt(mload(lanes), 8) {
                    x := or(and(shr(8, x), BYTES), shl(8, and(x, BYTES)))
                    if gt(mload(lanes), 16) {
                        x := or(and(shr(16, x), PAIRS), shl(16, and(x, PAIRS)))
                        if gt(mload(lanes), 32) {
                            x := or(and(shr(32, x), QUADS), shl(32, and(x, QUADS)))
                        }
                    }
                }
                // keys: 2^(width-1) plus or minus the magnitude
                switch mload(add(lanes, 0x20))
                case 0 {
                    x := xor(x, mload(add(patterns, 0xe0)))
                }
                default {
                    let top := sub(mload(lanes), 1)
                    let ones := mload(add(lanes, 0x80))
                    let full := mload(add(patterns, 0x20))
                    let magnitude := and(x, not(mload(add(lanes, 0xa0))))
                    nan := or(nan, add(magnitude, mload(add(patterns, 0xc0))))
                    let normal := add(magnitude, mload(add(patterns, 0x100)))
                    magnitude := and(magnitude, mul(and(shr(top, normal), ones), full))
                    let negative := and(mul(and(shr(top, x), ones), full), magnitude)
                    x := sub(sub(add(mload(add(lanes, 0xa0)), magnitude), negative), negative)
                }
                x := xor(x, mload(patterns))
                // every other lane, so that carries have room
                let half := and(x, mload(add(patterns, 0x60)))
                let counted := and(inside, mload(add(patterns, 0x40)))
                above := add(above, and(shr(mload(lanes), add(half, mload(add(patterns, 0x80)))), counted))
                equal := add(equal, and(shr(mload(lanes), add(half, mload(add(patterns, 0xa0)))), counted))
                half := and(shr(mload(lanes), x), mload(add(patterns, 0x60)))
                counted := and(shr(mload(lanes), inside), mload(add(patterns, 0x40)))
                above := add(above, and(shr(mload(lanes), add(half, mload(add(patterns, 0x80)))), counted))
                equal := add(equal, and(shr(mload(lanes), add(half, mload(add(patterns, 0xa0)))), counted))
            }
        }
        above = _sum(above, lanes.width);
        unchecked {
            equal = _sum(equal, lanes.width) - above;
        }
    }

    /// @dev Sum of the lanes of twice `width` bits.
    function _sum(uint256 counts, uint256 width) private pure returns (uint256 total) {
        unchecked {
            uint256 mask = (1 << (2 * width)) - 1;
            for (; counts != 0; counts >>= 2 * width) total += counts & mask;
        }
    }
}
