// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Dtype} from "../program/Dtype.sol";
import {CorrectRounding} from "./CorrectRounding.sol";
import {FloatFormat, Format} from "./FloatFormat.sol";

/// @title One element as another element type
/// @dev Rules: docs/numerics/elementwise.md. Twin: packages/numerics/src/conversion.ts.
library Conversion {
    using FloatFormat for Format;

    /// @notice The bits that `bits` of type `source` become as `target`; `from` and `to` are the formats of those that
    ///         are floats. `undefined`: C++ and ONNX leave the result open (a float that no integer of the type is); then
    ///         it is the integer modulo 2^width, or 0.
    function convert(
        uint8 source,
        uint8 target,
        Format memory from,
        Format memory to,
        uint256 bits
    ) internal pure returns (uint256 result, bool tiny, bool undefined) {
        (bool negative, uint256 m, int256 e) = (false, 0, 0);
        if (from.sign == 0) {
            int256 value = Dtype.toInteger(source, bits);
            negative = value < 0;
            m = uint256(negative ? -value : value);
        } else if (from.isFinite(bits)) {
            (negative, m, e) = from.decode(bits);
        } else {
            if (target == Dtype.BOOL) return (1, false, false);
            if (to.sign == 0) return (0, false, true);
            if (from.isNaN(bits)) return (to.nan(), false, false);
            return (bits & from.sign != 0 ? to.sign | to.infinity : to.infinity, false, false);
        }

        if (target == Dtype.BOOL) return (m != 0 ? 1 : 0, false, false);
        if (to.sign != 0) {
            // a zero keeps its sign
            uint256 sign = negative ? to.sign : 0;
            (result, tiny) = CorrectRounding.round(to, sign, m, e);
            return (result, tiny, false);
        }
        unchecked {
            uint256 width = 8 * Dtype.sizeOf(target);
            if (from.sign != 0) {
                // towards zero; 2^100 stands for anything that is too large
                m =
                    e > 75 && m != 0
                        ? 1 << 100
                        : e < 0
                            ? m >> uint256(-e)
                            : m << uint256(e);
                uint256 limit = 1 << (Dtype.isSigned(target) ? width - 1 : width);
                undefined = negative ? m > (Dtype.isSigned(target) ? limit : 0) : m >= limit;
            }
            result = (negative ? uint256(-int256(m)) : m) & ((1 << width) - 1);
        }
    }
}
