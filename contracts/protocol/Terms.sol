// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice Amounts and windows of a claim, frozen when it is made. Amounts in units of the token, windows in seconds,
///         shares in basis points of the collateral.
/// @dev Two words. What bounty and compensation leave of a slashed collateral is burned.
struct Terms {
    uint128 collateral; // the executor's stake locked for one claim
    uint128 challengeBond; // each challenger's bond
    uint128 voidCostCap; // most that the prover of an imprecise element gets out of the fee
    uint16 bountyBps; // of a slashed collateral: to the prover, or to the first challenger of an unrevealed trace
    uint16 compensationBps; // of a slashed collateral: to the requester
    uint32 challengeWindow;
    uint32 revealWindow;
    uint32 proofWindow;
}

/// @title Range checks and the algebra of settlements, free of any state
library TermsLib {
    uint256 internal constant BPS = 10_000;

    /// @notice Least share of a slashed collateral that is burned, so that no set of colluding executor, requester and
    ///         challenger ever gets a whole collateral back.
    uint256 internal constant MIN_BURN_BPS = 1_000;

    /// @notice Windows outside these bounds are refused: too short cannot be answered, too long freezes funds.
    uint256 internal constant MIN_WINDOW = 1 minutes;
    uint256 internal constant MAX_WINDOW = 30 days;

    /// @notice A window is outside its bounds.
    error WindowOutOfRange(uint256 window, uint256 min, uint256 max);
    /// @notice Bounty and compensation leave less than the least burn.
    error BurnTooSmall(uint256 burnBps, uint256 minBurnBps);
    /// @notice The bounty share is zero: nobody would challenge.
    error NoBounty();
    /// @notice Collateral or bond is zero, or so small that a share of it rounds to nothing.
    error AmountTooSmall(uint256 amount, uint256 min);

    /// @notice Reverts unless the terms are within range.
    function validate(Terms memory terms) internal pure {
        _validateWindow(terms.challengeWindow);
        _validateWindow(terms.revealWindow);
        _validateWindow(terms.proofWindow);
        // With BPS units of collateral every nonzero share is at least one unit, the burn among them.
        if (terms.collateral < BPS) revert AmountTooSmall(terms.collateral, BPS);
        if (terms.challengeBond == 0) revert AmountTooSmall(0, 1);
        if (terms.bountyBps == 0) revert NoBounty();
        uint256 shares = uint256(terms.bountyBps) + terms.compensationBps;
        if (shares + MIN_BURN_BPS > BPS) revert BurnTooSmall(shares > BPS ? 0 : BPS - shares, MIN_BURN_BPS);
    }

    /// @notice Seconds from posting to the last moment at which a claim is not yet ready to be settled. Worst case: the
    ///         first challenge in the last second of the challenge window, the trace in the last second of the reveal
    ///         window, no proof until the end of the proof window.
    function longestLife(Terms memory terms) internal pure returns (uint256) {
        return uint256(terms.challengeWindow) + terms.revealWindow + terms.proofWindow;
    }

    /// @notice Splits a slashed collateral; rounding goes to the burn.
    function splitSlash(
        Terms memory terms
    ) internal pure returns (uint256 bounty, uint256 compensation, uint256 burned) {
        bounty = (uint256(terms.collateral) * terms.bountyBps) / BPS;
        compensation = (uint256(terms.collateral) * terms.compensationBps) / BPS;
        burned = terms.collateral - bounty - compensation;
    }

    /// @notice Splits the escrow of a void claim: the prover's cost comes out of the fee only, never out of the royalty.
    function splitVoid(
        Terms memory terms,
        uint256 fee,
        uint256 royalty
    ) internal pure returns (uint256 cost, uint256 refund) {
        cost = fee < terms.voidCostCap ? fee : terms.voidCostCap;
        refund = fee - cost + royalty;
    }

    function _validateWindow(uint256 window) private pure {
        if (window < MIN_WINDOW || window > MAX_WINDOW)
            revert WindowOutOfRange(window, MIN_WINDOW, MAX_WINDOW);
    }
}
