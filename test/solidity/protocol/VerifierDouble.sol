// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Judgement, Verdict} from "../../../contracts/kernels/IKernel.sol";
import {IKernelVersions} from "../../../contracts/proof/IKernelVersions.sol";
import {Segment} from "../../../contracts/proof/AccessMap.sol";
import {ElementProof, IVerifier, Roots} from "../../../contracts/proof/IVerifier.sol";

/// @title TEST DOUBLE, not a verifier: says what it was told to
/// @notice For tests of a claim's life only; what a verdict rests on is tested with the real Verifier. It does insist on
///         the roots that it was told to expect. It stands in for the list of versions too: it is the only one.
contract VerifierDouble is IVerifier, IKernelVersions {
    /// @notice Who may append terms to the markets that are deployed from now on; 0: nobody.
    address public authority;
    Judgement private _judgement;
    bytes32 private _expectedRoots;

    error UnexpectedRoots();
    error NotForTests();

    function setAuthority(address authority_) external {
        authority = authority_;
    }

    function add(address) external pure returns (uint16) {
        revert NotForTests();
    }

    function latest() external pure returns (uint16) {
        return 1;
    }

    function verifierOf(uint16 version) external view returns (address) {
        if (version != 1) revert UnknownKernelVersion(version);
        return address(this);
    }

    function setVerdict(Verdict verdict) external {
        _judgement = Judgement(verdict, -5, 3, 2, -40);
    }

    function expectRoots(Roots calldata roots) external {
        _expectedRoots = keccak256(abi.encode(roots));
    }

    function judge(Roots calldata roots, ElementProof calldata) external view returns (Judgement memory) {
        if (_expectedRoots != 0 && keccak256(abi.encode(roots)) != _expectedRoots) revert UnexpectedRoots();
        return _judgement;
    }

    /// @dev The state is the number of points; a box has as many as the element's number says.
    function fold(
        Roots calldata,
        ElementProof calldata proof,
        Segment calldata segment,
        bytes calldata state
    ) external view returns (bytes memory next, bool complete, Judgement memory judgement) {
        uint256 before = state.length == 0 ? 0 : abi.decode(state, (uint256));
        next = abi.encode(before + segment.count);
        complete = uint256(segment.first) + segment.count == proof.element;
        if (complete) judgement = _judgement;
    }
}
