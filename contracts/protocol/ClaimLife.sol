// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Terms} from "./Terms.sol";

/// @notice How a claim was settled.
enum Settlement {
    None, // no such claim
    Pending,
    Finalised,
    Voided,
    Slashed
}

/// @notice Where a claim is in its life. Every entry point that moves a claim names the phase it needs.
enum Phase {
    Unknown, // no such claim
    Open, // lazy and unchallenged; challengers may come
    AwaitingReveal, // challenged; the executor owes the trace root
    Unrevealed, // the trace was not revealed in time: to be slashed by `settleUnrevealed`
    Provable, // the trace is known; proofs may come
    Finalisable, // nothing was proven: to be finalised
    Voidable, // an imprecise element was proven and no fraudulent one: to be voided by `settleImprecise`
    Withheld, // its windows are over and data demanded of it was never shown: to be slashed by `settleWithheld`
    Finalised,
    Voided,
    Slashed
}

/// @notice A claim as the market stores it.
/// @dev The trace is known if and only if `proofEnd` is not 0: a root of 0 can be an honest one (a single tensor of at
///      most 32 bytes, all zero).
struct ClaimState {
    bytes32 requestId;
    bytes32 outputRoot;
    bytes32 traceRoot; // meaningful once proofEnd is set
    address executor;
    Settlement settlement;
    uint16 termsId; // see IClaimBook.termsById
    uint64 challengeEnd;
    address firstChallenger; // 0: unchallenged
    uint64 revealEnd; // 0: no reveal was ever owed
    bool extended; // challengeEnd (trace unknown) or proofEnd (trace known) was put off for demands of data
    address imprecisionProver; // 0: nothing imprecise was proven
    uint64 proofEnd; // 0: trace unknown
    uint32 openDemands; // demands of data that are not answered
}

/// @title The one deadline classifier, shared by views and mutations
/// @dev Equality is assigned: what must come before a deadline needs now < deadline, what comes after it now >= deadline.
library ClaimLife {
    /// @notice The phase of `claim` at time `time`.
    function phaseAt(ClaimState memory claim, uint256 time) internal pure returns (Phase) {
        if (claim.settlement == Settlement.None) return Phase.Unknown;
        // INVARIANT I4: a settled claim is in none of the phases that lead to a settlement.
        if (claim.settlement == Settlement.Finalised) return Phase.Finalised;
        if (claim.settlement == Settlement.Voided) return Phase.Voided;
        if (claim.settlement == Settlement.Slashed) return Phase.Slashed;
        if (claim.proofEnd != 0) {
            if (time < claim.proofEnd) return Phase.Provable;
            // Demands end so long before the window that those still open then are overdue.
            if (claim.openDemands != 0) return Phase.Withheld;
            return claim.imprecisionProver == address(0) ? Phase.Finalisable : Phase.Voidable;
        }
        if (claim.revealEnd != 0) return time < claim.revealEnd ? Phase.AwaitingReveal : Phase.Unrevealed;
        // INVARIANT I5: without a challenge nothing happens before the challenge window ends.
        if (time < claim.challengeEnd) return Phase.Open;
        return claim.openDemands == 0 ? Phase.Finalisable : Phase.Withheld;
    }

    /// @notice Until when data may be demanded of a claim in `phase`; 0: not in that phase.
    /// @dev A fixed moment in every phase, whether demands have put off the end of the window or not. While a reveal is
    ///      owed nothing need be put off: the proof window to come is longer than the answer window (TermsLib.validate).
    function demandEndOf(
        ClaimState memory claim,
        Phase phase,
        Terms memory terms
    ) internal pure returns (uint64) {
        if (phase == Phase.Open)
            return claim.challengeEnd - (claim.extended ? uint64(challengeExtension(terms)) : 0);
        if (phase == Phase.AwaitingReveal) return claim.revealEnd;
        if (phase == Phase.Provable)
            return claim.proofEnd - (claim.extended ? uint64(proofExtension(terms)) : 0);
        return 0;
    }

    /// @notice By how much the first demand before a challenge puts challengeEnd off: the last answer, and as long again
    ///         to run the model and to challenge.
    function challengeExtension(Terms memory terms) internal pure returns (uint256) {
        return 2 * uint256(terms.answerWindow);
    }

    /// @notice By how much the first demand of a claim whose trace is known puts proofEnd off: the last answer, and a whole
    ///         proof window to prove with it.
    function proofExtension(Terms memory terms) internal pure returns (uint256) {
        return uint256(terms.answerWindow) + terms.proofWindow;
    }

    /// @notice End of the proof window of a trace that becomes known at `time`.
    /// @dev INVARIANT I5: never before the challenge window ends, so an early reveal shortens nothing.
    function proofEndOf(
        uint64 challengeEnd,
        uint256 time,
        uint256 proofWindow
    ) internal pure returns (uint64) {
        uint64 end = uint64(time + proofWindow);
        return end > challengeEnd ? end : challengeEnd;
    }
}
