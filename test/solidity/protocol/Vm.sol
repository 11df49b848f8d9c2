// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice The cheat codes that the protocol's tests use (Hardhat's Solidity test runner).
interface Vm {
    function prank(address sender) external;
    function warp(uint256 time) external;
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 privateKey) external pure returns (address);
    function chainId(uint256 id) external;
    function expectRevert(bytes calldata data) external;
    function getCode(string calldata artifact) external view returns (bytes memory creationCode);
    function assume(bool condition) external pure;
    function etch(address account, bytes calldata code) external;
}

Vm constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
