// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Something with functions that only governance may call
/// @notice Names the AccessManager that decides it.
interface IGoverned {
    /// @notice The authority does not let the caller call this.
    error NotGovernance(address caller);

    /// @notice The AccessManager that says who may call; one without code lets nobody, ever.
    function authority() external view returns (address);
}
