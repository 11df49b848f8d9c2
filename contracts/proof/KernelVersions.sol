// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Governed} from "../governance/Governed.sol";
import {IKernelVersions} from "./IKernelVersions.sol";

/// @title KernelVersions
/// @notice See IKernelVersions, which is the specification.
contract KernelVersions is Governed, IKernelVersions {
    address[] private _verifiers;

    /// @param authority_ says who may add; an address without code: nobody, ever
    /// @param verifier version 1
    constructor(address authority_, address verifier) Governed(authority_) {
        _add(verifier);
    }

    /// @inheritdoc IKernelVersions
    function add(address verifier) external onlyGovernance returns (uint16 version) {
        return _add(verifier);
    }

    /// @inheritdoc IKernelVersions
    function latest() external view returns (uint16) {
        return uint16(_verifiers.length);
    }

    /// @inheritdoc IKernelVersions
    function verifierOf(uint16 version) external view returns (address) {
        if (version == 0 || version > _verifiers.length) revert UnknownKernelVersion(version);
        return _verifiers[version - 1];
    }

    function _add(address verifier) private returns (uint16 version) {
        if (verifier.code.length == 0) revert NotAVerifier(verifier);
        if (_verifiers.length == type(uint16).max) revert UnknownKernelVersion(0);
        _verifiers.push(verifier);
        version = uint16(_verifiers.length);
        emit KernelVersionAdded(version, verifier);
    }
}
