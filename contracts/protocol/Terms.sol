// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice Amounts and windows of a claim, frozen when it is made. Amounts in units of the token, windows in seconds,
///         shares in basis points of the collateral.
/// @dev Three words. What bounty and compensation leave of a slashed collateral is burned.
struct Terms {
    uint128 collateral; // the executor's stake locked for one claim
    uint128 challengeBond; // each challenger's bond
    uint128 voidCostCap; // most that the prover of an imprecise element gets out of the fee, of which it gets at most half
    uint16 bountyBps; // of a slashed collateral: to the prover, or to the first challenger of an unrevealed trace
    uint16 compensationBps; // of a slashed collateral: to the requester
    uint32 challengeWindow;
    uint32 revealWindow;
    uint32 proofWindow;
    uint128 dataPrice; // of each node that answers a demand of data, to whoever shows it: must cover the gas
    uint32 answerWindow; // to answer a demand
    uint32 demandInterval; // an executor is asked for one page in so many seconds; faster gets dear (DataDemands.sol)
}

/// @title Range checks and the algebra of settlements, free of any state
/// @dev Why these ranges: docs/incentives.md.
library TermsLib {
    uint256 internal constant BPS = 10_000;

    /// @notice Least share of a slashed collateral that is burned, so that no set of colluding executor, requester and
    ///         challenger ever gets a whole collateral back.
    uint256 internal constant MIN_BURN_BPS = 1_000;

    /// @notice A bond is at least this part of the bounty: challenging unseen then loses money while fewer than one in 21
    ///         claims are wrong, deliberate errors included.
    uint256 internal constant MAX_BOUNTY_PER_BOND = 20;

    /// @notice Windows outside these bounds are refused: too short cannot be answered, too long freezes funds.
    uint256 internal constant MIN_WINDOW = 1 minutes;
    uint256 internal constant MAX_WINDOW = 30 days;

    /// @notice Answer windows that fit into a proof window: a search of a trace takes about five rounds (two levels of pages
    ///         of tensor roots, three of chunks), each as slow as it may be.
    uint256 internal constant ANSWER_ROUNDS = 8;
    /// @notice Nodes' worth of gas that an answer costs besides its nodes: transaction, path, storage.
    uint256 internal constant PAGE_OVERHEAD = 256;
    /// @notice Most nodes that a page has.
    uint256 internal constant PAGE_NODES = 1024;
    /// @notice The burned part of a demand's bond is the reward over this, or more.
    uint256 internal constant BURN_DIVISOR = 4;
    /// @notice The burned part doubles with each such share of the answer window that an executor is behind.
    uint256 internal constant DOUBLINGS = 64;
    /// @notice So many whole pages can be demanded for less than the bounty.
    uint256 internal constant AFFORDABLE_PAGES = 8;

    /// @notice Terms that are appended later keep windows of at least this part of the first terms', and a collateral
    ///         within this factor of theirs.
    uint256 internal constant MAX_SHORTENING = 2;
    uint256 internal constant MAX_COLLATERAL_CHANGE = 10;

    /// @notice A window is outside its bounds.
    error WindowOutOfRange(uint256 window, uint256 min, uint256 max);
    /// @notice Bounty and compensation leave less than the least burn.
    error BurnTooSmall(uint256 burnBps, uint256 minBurnBps);
    /// @notice The bounty share is zero: nobody would challenge.
    error NoBounty();
    /// @notice The collateral is so small that a share of it rounds to nothing.
    error AmountTooSmall(uint256 amount, uint256 min);
    /// @notice The collateral is too far from the first terms'.
    error CollateralOutOfRange(uint256 collateral, uint256 min, uint256 max);
    /// @notice The bond is so small that challenging unseen would pay, or larger than what a challenger can gain.
    error BondOutOfRange(uint256 bond, uint256 min, uint256 max);
    /// @notice Proving an imprecise element would pay more than proving a fraudulent one.
    error VoidCostAboveBounty(uint256 voidCostCap, uint256 bounty);
    /// @notice The answer window is too long for a search within the proof window.
    error AnswerWindowTooLong(uint256 answerWindow, uint256 max);
    /// @notice The interval between demands is zero, or so long that a single one is too much.
    error DemandIntervalOutOfRange(uint256 interval, uint256 min, uint256 max);
    /// @notice Demands would cost more than a challenger can gain by them.
    error DataPriceTooHigh(uint256 price, uint256 max);

    /// @notice Reverts unless the terms are within range.
    function validate(Terms memory terms) internal pure {
        _validateWindow(terms.challengeWindow, MIN_WINDOW);
        _validateWindow(terms.revealWindow, MIN_WINDOW);
        _validateWindow(terms.proofWindow, MIN_WINDOW);
        // With BPS units of collateral every nonzero share is at least one unit, the burn among them.
        if (terms.collateral < BPS) revert AmountTooSmall(terms.collateral, BPS);
        if (terms.bountyBps == 0) revert NoBounty();
        uint256 shares = uint256(terms.bountyBps) + terms.compensationBps;
        if (shares + MIN_BURN_BPS > BPS) revert BurnTooSmall(shares > BPS ? 0 : BPS - shares, MIN_BURN_BPS);
        (uint256 bounty, , ) = splitSlash(terms);
        uint256 minBond = (bounty + MAX_BOUNTY_PER_BOND - 1) / MAX_BOUNTY_PER_BOND;
        if (terms.challengeBond < minBond || terms.challengeBond > bounty)
            revert BondOutOfRange(terms.challengeBond, minBond, bounty);
        if (terms.voidCostCap > bounty) revert VoidCostAboveBounty(terms.voidCostCap, bounty);
        _validateWindow(terms.answerWindow, MIN_WINDOW);
        uint256 longest = terms.proofWindow / ANSWER_ROUNDS;
        if (terms.answerWindow > longest) revert AnswerWindowTooLong(terms.answerWindow, longest);
        uint256 rarest = terms.answerWindow / DOUBLINGS;
        if (terms.demandInterval == 0 || terms.demandInterval > rarest)
            revert DemandIntervalOutOfRange(terms.demandInterval, 1, rarest);
        if (terms.dataPrice == 0) revert AmountTooSmall(0, 1);
        uint256 units = ((PAGE_NODES + PAGE_OVERHEAD) * (BURN_DIVISOR + 1) * AFFORDABLE_PAGES) / BURN_DIVISOR;
        if (terms.dataPrice > bounty / units) revert DataPriceTooHigh(terms.dataPrice, bounty / units);
    }

    /// @notice What a demand of a page with `nodes` nodes costs while its executor has demands before it that take
    ///         `backlog` seconds at one per interval.
    /// @return reward to whoever answers
    /// @return burned when it is answered
    /// @dev The burn is what an executor pays that demands from itself. Its doublings make it impossible, with any amount
    ///      of money, to demand more in an answer window than two pages per interval: 2^64 times the price buys a backlog
    ///      of one answer window.
    function priceOf(
        Terms memory terms,
        uint256 nodes,
        uint256 backlog
    ) internal pure returns (uint256 reward, uint256 burned) {
        reward = terms.dataPrice * (nodes + PAGE_OVERHEAD);
        uint256 doublings = (backlog * DOUBLINGS) / terms.answerWindow;
        // 2^128 units are more than any token has, and the product fits: validate bounds the reward.
        burned = (reward / BURN_DIVISOR) << (doublings < 128 ? doublings : 128);
    }

    /// @notice Reverts unless the terms may follow `first`, the terms that the book was deployed with: whoever governs
    ///         cannot take away the time in which claims are challenged, answered and proven, nor make claims worthless
    ///         or unaffordable.
    function validateAfter(Terms memory terms, Terms memory first) internal pure {
        validate(terms);
        _validateWindow(terms.challengeWindow, first.challengeWindow / MAX_SHORTENING);
        _validateWindow(terms.revealWindow, first.revealWindow / MAX_SHORTENING);
        _validateWindow(terms.proofWindow, first.proofWindow / MAX_SHORTENING);
        _validateWindow(terms.answerWindow, first.answerWindow / MAX_SHORTENING);
        uint256 min = first.collateral / MAX_COLLATERAL_CHANGE;
        uint256 max = uint256(first.collateral) * MAX_COLLATERAL_CHANGE;
        if (terms.collateral < min || terms.collateral > max)
            revert CollateralOutOfRange(terms.collateral, min, max);
    }

    /// @notice Seconds from posting to the last moment at which a claim is not yet ready to be settled. Worst case: the
    ///         first challenge in the last second of the challenge window, the trace in the last second of the reveal
    ///         window, no proof until the end of the proof window; and demands of data that put off both ends that they can
    ///         (ClaimLife.challengeExtension, proofExtension).
    function longestLife(Terms memory terms) internal pure returns (uint256) {
        uint256 windows = uint256(terms.challengeWindow) + terms.revealWindow + terms.proofWindow;
        return windows + 3 * uint256(terms.answerWindow) + terms.proofWindow;
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
    /// @dev At most half the fee, so that an executor that has its own claim voided gives up as much as the requester.
    function splitVoid(
        Terms memory terms,
        uint256 fee,
        uint256 royalty
    ) internal pure returns (uint256 cost, uint256 refund) {
        cost = fee / 2 < terms.voidCostCap ? fee / 2 : terms.voidCostCap;
        refund = fee - cost + royalty;
    }

    /// @notice Reverts unless a window is within its bounds.
    function validateWindow(uint256 window) internal pure {
        _validateWindow(window, MIN_WINDOW);
    }

    function _validateWindow(uint256 window, uint256 min) private pure {
        if (window < min || window > MAX_WINDOW) revert WindowOutOfRange(window, min, MAX_WINDOW);
    }
}
