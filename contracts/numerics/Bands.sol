// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Judgement, Verdict} from "../kernels/IKernel.sol";
import {Float32} from "./Float32.sol";
import {Wide, WideMath} from "./Wide.sol";

/// @title What bands made of {Wide} numbers have in common
/// @dev Twin: packages/numerics/src/bands.ts.
library Bands {
    using WideMath for Wide;

    /// @notice K for the provable, min(K, λ·√K) for the integrity band, in units of 1/256, rounded up.
    /// @param lambda λ in units of 1/256
    function terms(uint256 count, uint256 lambda) internal pure returns (uint256 worst, uint256 usual) {
        unchecked {
            worst = count << 8;
            usual = Math.min(worst, ((lambda * Math.sqrt(count << 16, Math.Rounding.Ceil)) >> 8) + 1);
        }
    }

    /// @notice γ_n = n·u/(1 - n·u) for n < 2^24 in units of 1/256.
    function gamma(uint256 n) internal pure returns (Wide) {
        return WideMath.from(n, 0) / WideMath.from((1 << 32) - n, 0);
    }

    /// @notice Compares ±product ± offset with a finite claim, in units of 2^-100 of the largest number at hand;
    ///         truncations are below one unit each.
    /// @param half the half-widths of the provable and the integrity band, not 0
    function judge(
        bool negative,
        Wide product,
        bool offsetNegative,
        Wide offset,
        Wide[2] memory half,
        uint32 claimed
    ) internal pure returns (Judgement memory judgement) {
        unchecked {
            Wide largest = product < offset ? offset : product;
            if (largest < half[0]) largest = half[0];
            int256 scale = largest.topBit() - 100;
            int256 exact = int256(product.units(scale));
            if (negative) exact = -exact;
            int256 shift = int256(offset.units(scale));
            exact += offsetNegative ? -shift : shift;
            judgement.exact = exact;
            judgement.provable = half[0].units(scale) + 4;
            judgement.integrity = half[1].units(scale) + 4;
            judgement.scale = scale;

            (bool minus, uint256 mantissa, int256 exponent) = Float32.decode(claimed);
            shift = exponent - scale;
            if (shift > 160) shift = 160;
            mantissa = shift < 0 ? mantissa >> uint256(-shift) : mantissa << uint256(shift);
            exact -= minus ? -int256(mantissa) : int256(mantissa);
            uint256 off = uint256(exact < 0 ? -exact : exact);
            judgement.verdict = Verdict.Fraudulent;
            if (off <= judgement.provable) judgement.verdict = Verdict.Imprecise;
            if (off <= judgement.integrity) judgement.verdict = Verdict.Acceptable;
        }
    }
}
