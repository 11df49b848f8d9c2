// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {FloatFormat, Format} from "./FloatFormat.sol";

/// @title 1/x within 2 ulp, as processors with an approximate reciprocal refine it
/// @dev Derivation: docs/numerics/elementwise.md. Twin: packages/numerics/src/reciprocal-band.ts.
library ReciprocalBand {
    using FloatFormat for Format;

    /// @notice Whether `claimed` may be 1/x, and the integers the verdict rests on, in units of 2^scale.
    function judge(
        Format memory f,
        uint256 x,
        uint256 claimed
    ) internal pure returns (bool acceptable, int256 exact, uint256 provable, int256 scale) {
        unchecked {
            if (f.isNaN(x) || f.isNaN(claimed)) return (f.isNaN(x) && f.isNaN(claimed), 0, 0, 0);
            if (f.isInfinite(x)) return (f.isZero(claimed), 0, 0, 0);
            // 1/±0 is an infinity, and so may 1/subnormal be
            bool sameInfinity = claimed == (x & f.sign) | f.infinity;
            if (f.isZero(x)) return (sameInfinity, 0, 0, 0);

            (bool negative, uint256 m, int256 e) = f.decode(x);
            uint256 r = (1 << 128) / m; // 1/|x| = (r + less than 1)·2^scale; r >= 2^75
            scale = -e - 128;
            // 2 ulp are at most 2·2^-fractionBits·|1/x|. Below twice the smallest normal number flushing, and the ulp of
            // subnormal results, cost less than that number. One unit for each of: r's and the claim's rest, the floor of
            // the band.
            int256 small = f.lowest + int256(f.fractionBits) + 1 - scale;
            uint256 absolute = small > 0 ? 1 << uint256(small) : 1;
            provable = (r >> (f.fractionBits - 1)) + (r < absolute ? absolute : 0) + 3;
            if (!f.isFinite(claimed)) {
                acceptable = sameInfinity && (f.isTiny(x) || _overflows(f, r + provable, scale));
                return (acceptable, 0, 0, 0);
            }
            exact = negative ? -int256(r) : int256(r);
            int256 difference = _inUnits(f, claimed, scale) - exact;
            acceptable = uint256(difference < 0 ? -difference : difference) <= provable;
        }
    }

    /// @dev Whether r·2^scale is so large that rounding to nearest gives infinity: half a unit above the largest number.
    function _overflows(Format memory f, uint256 r, int256 scale) private pure returns (bool) {
        unchecked {
            (, uint256 largest, int256 exponent) = f.decode(f.infinity - 1);
            int256 shift = exponent - 1 - scale;
            if (shift < 0) return true; // r >= 2^75
            return shift <= 128 && r >= (2 * largest + 1) << uint256(shift);
        }
    }

    /// @dev A finite value in units of 2^scale, truncated. Beyond 2^190 units the shift stops: far outside any band.
    function _inUnits(Format memory f, uint256 bits, int256 scale) private pure returns (int256 units) {
        (bool negative, uint256 mantissa, int256 exponent) = f.decode(bits);
        unchecked {
            int256 shift = exponent - scale;
            if (shift > 190) shift = 190;
            units = int256(shift < 0 ? mantissa >> uint256(-shift) : mantissa << uint256(shift));
            if (negative) units = -units;
        }
    }
}
