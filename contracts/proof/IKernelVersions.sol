// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IGoverned} from "../governance/IGoverned.sol";

/// @title Verifiers by kernel version
/// @notice A program names its kernel version in its header, and so in its root: what judges it can never change. The
///         list only grows. Markets take their authority from here.
interface IKernelVersions is IGoverned {
    /// @notice Programs may be published for `version` from now on.
    event KernelVersionAdded(uint16 indexed version, address indexed verifier);

    /// @notice There is no such version.
    error UnknownKernelVersion(uint16 version);
    /// @notice The address has no code.
    error NotAVerifier(address verifier);

    /// @notice Appends a verifier; governance only.
    /// @return version the first is 1
    function add(address verifier) external returns (uint16 version);

    /// @notice The newest version; every one from 1 on exists.
    function latest() external view returns (uint16);

    /// @notice The IVerifier of a version.
    function verifierOf(uint16 version) external view returns (address);
}
