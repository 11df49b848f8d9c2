// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {FloatFormat, Format} from "./FloatFormat.sol";

/// @dev What the exact sum or product of some terms is, and which results other orders of evaluation may give instead.
struct Fold {
    bool nan; // NaN is the result of some honest order
    bool positive; // so is +infinity
    bool negative; // so is -infinity
    bool finite; // so is a number in the band
    bool unbounded; // too many terms for a bound: nothing is said
    int256 exact; // in units of 2^scale
    uint256 band; // in units of 2^scale, without what reading the claim cuts off
    int256 scale;
}

/// @title Sums and products of a few floating-point numbers in any order, with a bound that is a proof
/// @dev Derivation: docs/numerics/indexed.md. Twin: packages/numerics/src/float-fold.ts.
library FloatFold {
    /// @dev A positive real, mantissa·2^exponent; at most n units of its last place too small after n multiplications.
    struct Product {
        uint256 mantissa;
        int256 exponent;
    }

    /// @dev What the factors so far come to.
    struct Factors {
        uint256 count;
        Product all;
        Product small; // of the factors below 1
        Product large; // of the others
        bool negative;
        bool nan;
        bool infinite;
        bool zero;
    }

    /// @dev What the terms so far come to. Sums are in units of 2^cut times the last place of subnormals.
    struct Terms {
        uint256 cut;
        uint256 largest; // place of the last bit of the largest finite one, counted from that of subnormals
        bool nan;
        bool positiveInfinity;
        bool negativeInfinity;
        bool subnormal; // some term is
        uint256 count; // of those that are not zero
        uint256 positive; // sum of the positive finite ones
        uint256 negative; // minus the sum of the negative ones
    }

    /// @dev Sums keep this many places below the last place of their largest term.
    uint256 private constant SUM_PLACES = 128;
    /// @dev Products keep this many bits.
    uint256 private constant PRODUCT_BITS = 176;
    /// @dev Places below 1 that a product begins with, so that claims are not cut off noticeably.
    uint256 private constant PRODUCT_PLACES = 128;
    uint256 private constant FAR = 180;

    /// @notice Whether a claim is what some honest order of evaluation gives; `provable` is the whole band.
    function accepts(
        Fold memory fold,
        Format memory format,
        uint256 claimed
    ) internal pure returns (bool acceptable, uint256 provable) {
        provable = fold.band;
        // A NaN among the terms leaves no other result, however many there are.
        if (fold.unbounded && !fold.nan) return (true, provable);
        (bool negative, uint256 mantissa, int256 exponent) = FloatFormat.decode(format, claimed);
        if (FloatFormat.isNaN(format, claimed)) return (fold.nan, provable);
        if (FloatFormat.isInfinite(format, claimed))
            return (negative ? fold.negative : fold.positive, provable);
        if (!fold.finite) return (false, provable);
        unchecked {
            bool cut;
            (mantissa, cut) = _inUnits(mantissa, exponent - fold.scale);
            if (cut) ++provable;
            int256 difference = (negative ? -int256(mantissa) : int256(mantissa)) - fold.exact;
            acceptable = uint256(difference < 0 ? -difference : difference) <= provable;
        }
    }

    /// @notice Place of the last bit of a number, counted from that of subnormals; 0 for what is not finite.
    function placeOf(Format memory format, uint256 bits) internal pure returns (uint256) {
        uint256 biased = FloatFormat.magnitude(format, bits) >> format.fractionBits;
        if (biased == 0 || biased == format.infinity >> format.fractionBits) return 0;
        unchecked {
            return biased - 1;
        }
    }

    /// @notice Places that a sum leaves out, given the place of its largest term.
    function cutOf(uint256 largest) internal pure returns (uint256) {
        unchecked {
            return largest > SUM_PLACES ? largest - SUM_PLACES : 0;
        }
    }

    /// @notice Adds a term (bits).
    function add(Terms memory terms, Format memory format, uint256 bits) internal pure {
        uint256 size = FloatFormat.magnitude(format, bits);
        if (size == 0) return;
        unchecked {
            ++terms.count;
            bool minus = size != bits;
            if (size >= format.infinity) {
                if (size > format.infinity) terms.nan = true;
                else if (minus) terms.negativeInfinity = true;
                else terms.positiveInfinity = true;
                return;
            }
            uint256 one = 1 << format.fractionBits;
            uint256 place = size >> format.fractionBits;
            if (place == 0) terms.subnormal = true;
            else {
                --place;
                size = (size & (one - 1)) | one;
            }
            if (place > terms.largest) terms.largest = place;
            (size, ) = _inUnits(size, int256(place) - int256(terms.cut));
            if (minus) terms.negative += size;
            else terms.positive += size;
        }
    }

    /// @notice The sum of some terms, of which zeros may be left out.
    function sum(Terms memory terms, Format memory format) internal pure returns (Fold memory fold) {
        uint256 n = terms.count;
        fold.nan = terms.nan;
        fold.unbounded = 2 * n > 1 << _precision(format);
        if (terms.nan || fold.unbounded) return fold;
        int256 scale = format.lowest + int256(terms.cut);
        fold.scale = scale;
        unchecked {
            // What cutting each term off may have lost.
            uint256 slack = terms.cut != 0 ? n : 0;
            int256 normal = format.lowest + int256(format.fractionBits);
            if (n > 1) {
                uint256 total = terms.positive + terms.negative + slack;
                fold.band = (n * total) / ((1 << _precision(format)) - n) + 1 + slack;
                fold.band += _scaled(4 * n, normal - scale);
            } else if (terms.subnormal) fold.band = _scaled(1, normal - scale);
            fold.exact = int256(terms.positive) - int256(terms.negative);

            bool up = _overflows(terms.positive + fold.band, scale, format);
            bool down = _overflows(terms.negative + fold.band, scale, format);
            fold.positive = !terms.negativeInfinity && (terms.positiveInfinity || up);
            fold.negative = !terms.positiveInfinity && (terms.negativeInfinity || down);
            fold.nan = (terms.positiveInfinity || up) && (terms.negativeInfinity || down);
            fold.finite = !terms.positiveInfinity && !terms.negativeInfinity;
        }
    }

    /// @notice No factors.
    function none() internal pure returns (Factors memory factors) {
        factors.all.mantissa = factors.small.mantissa = factors.large.mantissa = 1 << PRODUCT_PLACES;
        factors.all.exponent = factors.small.exponent = factors.large.exponent = -int256(PRODUCT_PLACES);
    }

    /// @notice Multiplies by a factor (bits).
    function multiply(Factors memory factors, Format memory format, uint256 bits) internal pure {
        unchecked {
            ++factors.count;
        }
        (bool minus, uint256 mantissa, int256 exponent) = FloatFormat.decode(format, bits);
        if (minus) factors.negative = !factors.negative;
        if (FloatFormat.isZero(format, bits)) factors.zero = true;
        else if (FloatFormat.isNaN(format, bits)) factors.nan = true;
        else if (FloatFormat.isInfinite(format, bits)) factors.infinite = true;
        else {
            _multiply(factors.all, mantissa, exponent);
            bool below = exponent < 0 && (exponent < -255 || mantissa >> uint256(-exponent) == 0);
            _multiply(below ? factors.small : factors.large, mantissa, exponent);
        }
    }

    /// @notice The product of some factors.
    function product(Factors memory factors, Format memory format) internal pure returns (Fold memory fold) {
        uint256 n = factors.count;
        int256 normal = format.lowest + int256(format.fractionBits);
        fold.nan = factors.nan;
        fold.unbounded = 2 * n > 1 << _precision(format);
        if (factors.nan || fold.unbounded) return fold;
        unchecked {
            uint256 divisor = (1 << _precision(format)) - n;
            // Some partial product may be subnormal, or an operand of one, and be flushed to 0.
            bool underflow = !_reaches(factors.small, normal + 1);
            uint256 largest = factors.large.mantissa;
            largest += (n * largest) / divisor + 1 + 2 * n;
            bool overflow = _overflows(largest, factors.large.exponent, format);

            fold.nan = (factors.infinite || overflow) && (factors.zero || underflow);
            if (factors.infinite && factors.zero) return fold;
            bool infinite = !factors.zero && (factors.infinite || overflow);
            fold.positive = infinite && !factors.negative;
            fold.negative = infinite && factors.negative;
            fold.finite = !factors.infinite;
            fold.scale = format.lowest;
            if (factors.zero || factors.infinite) return fold;

            _enclose(fold, factors, n, divisor, underflow ? normal : type(int256).min);
        }
    }

    /// @dev mantissa·2^shift, cut off; what is far larger than any sum or product here stays far larger.
    function _inUnits(uint256 mantissa, int256 shift) private pure returns (uint256, bool cut) {
        if (shift >= 0) return (mantissa << (uint256(shift) > FAR ? FAR : uint256(shift)), false);
        uint256 down = uint256(-shift);
        if (down > 255) return (0, mantissa != 0);
        return (mantissa >> down, (mantissa >> down) << down != mantissa);
    }

    /// @dev ⌈value·2^shift⌉, at most 2^250.
    function _scaled(uint256 value, int256 shift) private pure returns (uint256) {
        if (value == 0) return 0;
        if (shift >= 0) return uint256(shift) + Math.log2(value) >= 250 ? 1 << 250 : value << uint256(shift);
        return -shift > 255 ? 1 : (value >> uint256(-shift)) + 1;
    }

    /// @dev u = 2^-precision.
    function _precision(Format memory format) private pure returns (uint256) {
        unchecked {
            return format.fractionBits + 1;
        }
    }

    /// @dev Exponent of the last place of the largest numbers.
    function _highest(Format memory format) private pure returns (int256) {
        unchecked {
            return int256(format.infinity >> format.fractionBits) - 2 + format.lowest;
        }
    }

    /// @dev Whether value·2^scale reaches the point from which rounding to nearest gives infinity.
    function _overflows(uint256 value, int256 scale, Format memory format) private pure returns (bool) {
        unchecked {
            // (2^precision - 1/2)·2^highest, where 2^highest is the last place of the largest numbers
            uint256 threshold = (2 << _precision(format)) - 1;
            int256 shift = _highest(format) - 1 - scale;
            if (shift < 0) return value >= threshold >> (-shift > 255 ? 255 : uint256(-shift));
            return uint256(shift) + _precision(format) < 255 && value >= threshold << uint256(shift);
        }
    }

    /// @dev The exact product of finite factors and its band. Partial products below 2^normal may vanish, and what is
    ///      multiplied into the result after that is at most the product of the large factors.
    function _enclose(
        Fold memory fold,
        Factors memory factors,
        uint256 n,
        uint256 divisor,
        int256 normal
    ) private pure {
        unchecked {
            uint256 mantissa = factors.all.mantissa;
            fold.scale = factors.all.exponent;
            if (n > 1) fold.band = (n * mantissa) / divisor + 1 + 2 * n;
            if (normal != type(int256).min) {
                uint256 lost = 4 * n * factors.large.mantissa;
                int256 exponent = normal + factors.large.exponent;
                // In units of the larger of the two, so that neither leaves the word.
                int256 coarse = int256(Math.log2(lost)) + exponent - int256(PRODUCT_BITS);
                if (coarse > fold.scale) {
                    int256 down = fold.scale - coarse;
                    mantissa = _scaled(mantissa, down);
                    fold.band = _scaled(fold.band, down) + 1;
                    fold.scale = coarse;
                }
                fold.band += _scaled(lost, exponent - fold.scale);
            }
            fold.exact = factors.negative ? -int256(mantissa) : int256(mantissa);
        }
    }

    function _multiply(Product memory accumulator, uint256 mantissa, int256 exponent) private pure {
        unchecked {
            uint256 m = accumulator.mantissa * mantissa;
            accumulator.exponent += exponent;
            uint256 length = Math.log2(m) + 1;
            if (length > PRODUCT_BITS) {
                m >>= length - PRODUCT_BITS;
                accumulator.exponent += int256(length - PRODUCT_BITS);
            }
            accumulator.mantissa = m;
        }
    }

    /// @dev Whether a product is at least 2^exponent.
    function _reaches(Product memory p, int256 exponent) private pure returns (bool) {
        unchecked {
            return int256(Math.log2(p.mantissa)) + p.exponent >= exponent;
        }
    }
}
