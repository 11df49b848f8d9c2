// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice The moves that the invariant runner makes: all of the handler but its checks.
interface IProtocolMoves {
    function deposit(uint256 who, uint256 amount) external;
    function requestWithdrawal(uint256 who, uint256 amount) external;
    function cancelWithdrawal(uint256 who) external;
    function withdraw(uint256 who) external;
    function claimPayout(uint256 who, uint256 whose) external;
    function request(uint256 who, uint128 fee, bool designated) external;
    function postClaim(uint256 who, uint256 which, bool eager, bool forged) external;
    function finalise(uint256 who, uint256 which) external;
    function expire(uint256 who, uint256 which) external;
    function challenge(uint256 who, uint256 which) external;
    function revealTrace(uint256 who, uint256 which, bool byExecutor) external;
    function proveElement(uint256 who, uint256 which, uint8 verdict, bool committed) external;
    function settleUnrevealed(uint256 who, uint256 which) external;
    function settleImprecise(uint256 who, uint256 which) external;
    function reclaimBond(uint256 who, uint256 which, uint256 whose) external;
    function demandData(uint256 who, uint256 which, uint256 what) external;
    function answerData(uint256 who, uint256 which) external;
    function settleWithheld(uint256 who, uint256 which) external;
    function reclaimDemand(uint256 who, uint256 which) external;
    function govern(uint256 who, uint256 what, uint256 which) external;
    function spoilToken(uint256 habit, uint256 what, uint256 which) external;
    function pass(uint256 elapsed) external;
}
