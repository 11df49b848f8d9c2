// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Judgement, Verdict} from "../kernels/IKernel.sol";
import {Bands} from "./Bands.sol";
import {Float32} from "./Float32.sol";
import {Wide, WideMath} from "./Wide.sol";

/// @title What is right for a centred, scaled and shifted element: y = c·scale/√W + bias
/// @notice c = x - m and W = V + epsilon, with m and V given or computed from a row by the executor in two passes. The
///         row's sums come from {Moments}; here they are judged. Rules and proof: docs/numerics/normalization.md, whose
///         names are used. Twin: packages/numerics/src/standardisation.ts.
library Standardisation {
    using WideMath for Wide;

    struct Call {
        bool negative; // sign of c
        Wide centre; // |c|
        Wide reach; // |x| + |m|
        Wide spread; // A, the mean of |x_i|; 0 where m is not computed
        Wide unit; // w, within two of which |c| is known; 0 where it is exact
        Wide largest; // X, at least every |x_i|; 0 where no running mean can be wrong
        Wide epsilon;
        Wide variance; // W
        Wide loss; // what underflow can change in the computed W: τ
        uint256 terms; // K
        uint256 lambda; // integrity multiplier in 1/256
        uint256 roundings; // n_W - K
        uint32 scale; // 1 where there is none
        uint32 bias; // 0 where there is none
        bool sumsOverflow; // the row's sums may overflow
    }

    /// @dev The relative errors of the computed 1/√W and the mean's, for one of the bands.
    struct Errors {
        Wide own; // G
        Wide drift; // D
        Wide drifted; // D/√(W + D²)
        Wide shrink; // H
    }

    /// @dev 2^75, above 1/√(2^-149).
    uint32 private constant VANISHING = 0x65000000;

    /// @notice y = c·scale/√W + bias. The caller has ruled on operands that are not finite and on a W of 0.
    function affine(Call memory call, uint32 claimed) internal pure returns (Judgement memory judgement) {
        (uint256 worst, uint256 usual) = Bands.terms(call.terms, call.lambda);
        (Errors memory e, bool bounded) = _errors(call, worst);
        if (!bounded) {
            judgement.verdict = _acceptsUnbounded(call, claimed) ? Verdict.Acceptable : Verdict.Fraudulent;
            return judgement;
        }
        Wide inverse = _one() / call.variance.squareRoot(); // ρ
        Wide scale = WideMath.fromFloat(call.scale);
        Wide bias = WideMath.fromFloat(call.bias);
        if (_acceptsOverflow(call, e, inverse * scale, claimed)) return judgement;
        if (!Float32.isFinite(claimed)) {
            judgement.verdict = Verdict.Fraudulent;
            return judgement;
        }
        Wide product = call.centre * inverse * scale;
        Wide provable = _band(call, e, inverse, product);
        (e, ) = _errors(call, usual);
        Wide integrity = _band(call, e, inverse, product);
        bool negative = call.negative != (call.scale & Float32.SIGN != 0);
        return
            Bands.judge(
                negative,
                product,
                call.bias & Float32.SIGN != 0,
                bias,
                [provable, integrity],
                claimed
            );
    }

    /// @notice y = 1/√W itself. Where W may vanish it has no upper bound but that of the smallest float, and no
    ///         processor returns NaN but one that refines an approximate root.
    function inverseDeviation(
        Call memory call,
        uint32 claimed
    ) internal pure returns (Judgement memory judgement) {
        (uint256 worst, uint256 usual) = Bands.terms(call.terms, call.lambda);
        (Errors memory e, bool bounded) = _errors(call, worst);
        if (call.sumsOverflow && (!Float32.isFinite(claimed) || Float32.isZero(claimed))) return judgement;
        bool tooSmall =
            claimed & Float32.SIGN != 0 || WideMath.fromFloat(claimed) < _leastInverse(call, worst);
        if (!bounded) {
            if (Float32.isNaN(claimed)) judgement.verdict = Verdict.Imprecise;
            else if (tooSmall || (claimed > VANISHING && claimed != Float32.INFINITY))
                judgement.verdict = Verdict.Fraudulent;
            return judgement;
        }
        if (!Float32.isFinite(claimed)) {
            judgement.verdict = Verdict.Fraudulent;
            return judgement;
        }
        Wide inverse = _one() / call.variance.squareRoot();
        Wide flushed = WideMath.from(1, -126);
        Wide own = WideMath.from(1, -48);
        Wide provable = inverse * (e.shrink + e.own + e.shrink * e.own + own) + flushed;
        (e, ) = _errors(call, usual);
        Wide integrity = inverse * (e.shrink + e.own + e.shrink * e.own + own) + flushed;
        judgement = Bands.judge(false, inverse, false, Wide.wrap(0), [provable, integrity], claimed);
        if (tooSmall) judgement.verdict = Verdict.Fraudulent;
    }

    /// @dev What 1/√W cannot be below, however wrong the mean is: √Ŵ ≤ √((√W + D)²(1 + γ) + τ), and 6u.
    function _leastInverse(Call memory call, uint256 terms) private pure returns (Wide) {
        Wide off = _runningError(call, terms);
        if (Wide.unwrap(call.spread) != 0) off = _larger(off, _drift(call, terms));
        Wide root = call.variance.squareRoot() + off;
        Wide most = root * root * (_one() + Bands.gamma(terms + (call.roundings << 8))) + call.loss;
        Wide inverse = _one() / most.squareRoot();
        return WideMath.minus(inverse, inverse * WideMath.from(1, -20));
    }

    /// @dev D: how far the mean of two passes may be off.
    function _drift(Call memory call, uint256 terms) private pure returns (Wide) {
        return Bands.gamma(terms + 256) * call.spread + WideMath.from(5, -126);
    }

    /// @dev D' = u·X·(0.51·K + 12) + 3Kμ: the same for a running mean, and for √V; 0 where it cannot be wrong.
    function _runningError(Call memory call, uint256 terms) private pure returns (Wide) {
        if (Wide.unwrap(call.largest) == 0) return Wide.wrap(0);
        return
            call.largest * WideMath.from(((terms * 131) >> 8) + 3073, -32) +
            WideMath.from(3 * call.terms, -126);
    }

    function _one() private pure returns (Wide) {
        return WideMath.from(1, 0);
    }

    /// @dev bounded: z < 3/8, without which there is no bound.
    function _errors(Call memory call, uint256 terms) private pure returns (Errors memory e, bool bounded) {
        Wide z = Bands.gamma(terms + (call.roundings << 8));
        Wide least = WideMath.from(3, -3);
        // τ/W < 3/8 first: W may be 0
        if (!(call.loss < call.variance * least)) return (e, false);
        z = z + call.loss / call.variance;
        if (!(z < least)) return (e, false);
        // z/(2(1 - z)) + 8u, with 1/(1 - z) <= 1 + z + 2z²
        e.own = z * (_one() + z + (z + z) * z) * WideMath.from(1, -1) + WideMath.from(1, -21);
        if (Wide.unwrap(call.spread) != 0) {
            e.drift = _drift(call, terms);
            Wide square = e.drift * e.drift;
            e.drifted = e.drift / (call.variance + square).squareRoot();
            e.shrink = square / (call.variance + call.variance + square);
        }
        return (e, _addRunning(call, e, terms));
    }

    /// @dev Widens the errors to those of a running mean (Welford).
    function _addRunning(Call memory call, Errors memory e, uint256 terms) private pure returns (bool) {
        if (Wide.unwrap(call.largest) == 0) return true;
        Wide off = _runningError(call, terms);
        Wide root = call.variance.squareRoot();
        Wide shrink = off / root; // q
        if (shrink < WideMath.from(1, -1)) {
            // q/(1 - q)
            shrink = shrink * (_one() + shrink + shrink);
            e.drifted = _larger(e.drifted, shrink);
        } else {
            if (Wide.unwrap(call.epsilon) == 0) return false;
            Wide least = call.epsilon.squareRoot();
            shrink = root / least;
            e.drifted = _larger(e.drifted, off / least);
        }
        e.shrink = _larger(e.shrink, shrink);
        e.drift = _larger(e.drift, off);
        return true;
    }

    function _larger(Wide a, Wide b) private pure returns (Wide) {
        return a < b ? b : a;
    }

    /// @dev B, and what the contract's own arithmetic may be wrong by.
    function _band(
        Call memory call,
        Errors memory e,
        Wide inverse,
        Wide product
    ) private pure returns (Wide) {
        Wide scale = WideMath.fromFloat(call.scale);
        Wide bias = WideMath.fromFloat(call.bias);
        Wide reach = call.reach + e.drift;
        Wide growth = (_one() + e.own) * (_one() + e.shrink);
        Wide term = call.centre * inverse * (e.shrink + e.own);
        term =
            term + growth * (e.drifted + (WideMath.from(13, -25) * reach + WideMath.from(5, -126)) * inverse);
        Wide band = scale * term + WideMath.from(17, -27) * bias;
        band = band + (scale + reach + WideMath.from(2, 0)) * WideMath.from(1, -125);
        if (Float32.isSubnormal(call.scale)) band = band + (call.centre + e.drift) * inverse * growth * scale;
        if (Float32.isSubnormal(call.bias)) band = band + bias;
        Wide own = WideMath.from(1, -48);
        Wide truncated = call.unit * inverse * WideMath.from(4, 0);
        return band + (band + product) * own + scale * (truncated < own ? truncated : own);
    }

    /// @dev Whether a claim that no band judges is what overflow on the way may leave.
    function _acceptsOverflow(
        Call memory call,
        Errors memory e,
        Wide factor,
        uint32 claimed
    ) private pure returns (bool) {
        // an infinite variance divides everything to 0
        if (call.sumsOverflow && Float32.order(claimed) == Float32.order(call.bias)) return true;
        if (Float32.isFinite(claimed)) return false;
        Wide most =
            (call.reach + e.drift + _one()) * factor * (_one() + e.own) * (_one() + e.shrink) +
                WideMath.fromFloat(call.bias);
        return call.sumsOverflow || !(most < WideMath.from(1, 125));
    }

    /// @dev Where W may vanish beside what underflow does to it: no result, or one up to 4·√K·|scale| + 2·|bias|. Where all
    ///      elements are equal, so are all ĉ, and √K is 1 (5/4, for what is rounded in the sum of their squares).
    function _acceptsUnbounded(Call memory call, uint32 claimed) private pure returns (bool) {
        if (!Float32.isFinite(claimed)) return true;
        bool equal = Wide.unwrap(call.spread) != 0 && Wide.unwrap(call.variance) == 0;
        Wide most = WideMath.from(equal ? 5 : Math.sqrt(call.terms << 4, Math.Rounding.Ceil) + 1, 0);
        most = most * WideMath.fromFloat(call.scale) + WideMath.from(2, 0) * WideMath.fromFloat(call.bias);
        return WideMath.fromFloat(claimed) < most + WideMath.from(1, -120);
    }
}
